// As much of Next's `NextResponse` as the README's example needs, for where Next itself is not installed: it is large.

export class NextResponse extends Response {
  static next({ request }) {
    const headers = new Headers({ "x-middleware-next": "1" });
    for (const [name, value] of request.headers) {
      headers.set(`x-middleware-request-${name}`, value);
    }
    return new NextResponse(null, { headers });
  }
}
