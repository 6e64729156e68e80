export default function Staff() {
  return <p>for staff alone</p>;
}
