<?php

declare(strict_types=1);

namespace Authnzerver\Site;

/** What the site answers. */
final class Response
{
    /** A page shows nothing of others and is shown in nothing; what stands in its address stays here. */
    private const HEADERS = [
        ['Content-Type', 'text/html; charset=utf-8'],
        ['Cache-Control', 'no-store'],
        [
            'Content-Security-Policy',
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
            . "frame-ancestors 'none'",
        ],
        // Not `no-referrer`, with which browsers say `Origin: null` about our own forms.
        ['Referrer-Policy', 'same-origin'],
        ['X-Content-Type-Options', 'nosniff'],
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
        return new self($status, $body, [...self::HEADERS, ...$headers]);
    }

    /** Leads on to another page. */
    public static function to(string $path): self
    {
        return new self(303, headers: [['Location', $path], ['Cache-Control', 'no-store']]);
    }

    /** A path of this site, for what a visitor brought along; the front page for anything else. */
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
