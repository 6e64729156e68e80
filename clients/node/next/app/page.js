import { headers } from "next/headers";

export default async function Home() {
  return <p>{`user:${(await headers()).get("x-user-id") || "nobody"}`}</p>;
}
