<?php

declare(strict_types=1);

namespace Authnzerver\Site;

/** What the site answers. */
final class Response
{
    /**
     * Those of a page of accounts, for the program's own pages as well. A page shows nothing of others and is shown in
     * nothing; what stands in its address stays here.
     */
    public const SECURITY_HEADERS = [
        'Cache-Control' => 'no-store',
        'Content-Security-Policy' => "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
            . "base-uri 'none'; frame-ancestors 'none'",
        'Cross-Origin-Opener-Policy' => 'same-origin',
        // Not `no-referrer`, with which browsers say `Origin: null` about our own forms.
        'Referrer-Policy' => 'same-origin',
        'X-Content-Type-Options' => 'nosniff',
        'X-Frame-Options' => 'DENY',
    ];

    /** @param list<array{string, string}> $headers */
    public function __construct(
        public readonly int $status,
        public readonly string $body = '',
        public readonly array $headers = [],
    ) {
    }

    /**
     * An HTML page.
     *
     * @param list<array{string, string}> $headers
     */
    public static function html(int $status, string $body, array $headers = []): self
    {
        $own = [['Content-Type', 'text/html; charset=utf-8']];
        foreach (self::SECURITY_HEADERS as $name => $value) {
            $own[] = [$name, $value];
        }

        return new self($status, $body, [...$own, ...$headers]);
    }

    /** Leads on to another page. */
    public static function to(string $path): self
    {
        return new self(303, headers: [['Location', $path], ['Cache-Control', 'no-store']]);
    }

    /**
     * Leads to the page on which one logs in, and back from there to all that was asked for, such as the code of an email.
     */
    public static function toLogin(Request $request): self
    {
        $onward = $request->method === 'GET' ? self::ownPath($request->path . $request->search) : '/';

        return self::to('/login?next=' . str_replace('%2F', '/', rawurlencode($onward)));
    }

    /** A page of this site, for what a visitor brought along; the front page for anything else. */
    public static function ownPath(string $path): string
    {
        return preg_match('/\A\/(?!\/)[\x20-\x7e]*\z/', $path) && !str_contains($path, '\\') ? $path : '/';
    }

    /** Sends it as the answer to the request that PHP answers just now. */
    public function send(): void
    {
        http_response_code($this->status);
        foreach ($this->headers as [$name, $value]) {
            header("$name: $value");
        }
        if (($_SERVER['REQUEST_METHOD'] ?? '') !== 'HEAD') {
            echo $this->body;
        }
    }
}
