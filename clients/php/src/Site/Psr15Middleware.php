<?php

declare(strict_types=1);

namespace Authnzerver\Site;

use Authnzerver\AuthError;
use Psr\Http\Message\ResponseFactoryInterface;
use Psr\Http\Message\ResponseInterface;
use Psr\Http\Message\ServerRequestInterface;
use Psr\Http\Server\MiddlewareInterface;
use Psr\Http\Server\RequestHandlerInterface;

/**
 * A site in front of PSR-15 handlers, which find the `Visit` in the attribute of that name:
 * `$request->getAttribute(Visit::class)`. It goes outside of all other middleware.
 */
final class Psr15Middleware implements MiddlewareInterface
{
    private const FORM_BYTES_MAX = 1 << 20;

    public function __construct(
        private readonly Site $site,
        private readonly ResponseFactoryInterface $responses,
    ) {
    }

    public function process(ServerRequestInterface $request, RequestHandlerInterface $handler): ResponseInterface
    {
        $response = $this->site->handle(self::requestOf($request), $visit);
        $cookies = [];
        $visit->onCookie(function (string $cookie) use (&$cookies): void {
            $cookies[] = $cookie;
        });
        try {
            $answer = $response ? $this->answerOf($response, $request) : $handler->handle(
                $request->withAttribute(Visit::class, $visit),
            );
        } catch (AuthError $error) {
            $answer = $this->answerOf($this->site->failed($visit, $error), $request);
        }
        foreach ($cookies as $cookie) {
            $answer = $answer->withAddedHeader('Set-Cookie', $cookie);
        }

        return $answer;
    }

    private static function requestOf(ServerRequestInterface $request): Request
    {
        $uri = $request->getUri();
        $path = $uri->getPath() ?: '/';
        $server = $request->getServerParams();
        $headers = [];
        foreach ($request->getHeaders() as $name => $values) {
            // Two cookie headers, as HTTP/2 has them, are one.
            $name = strtolower((string) $name);
            $headers[$name] = implode($name === 'cookie' ? '; ' : ', ', $values);
        }

        return new Request(
            method: $request->getMethod(),
            path: $path,
            query: Request::texts($request->getQueryParams()),
            headers: $headers,
            peer: (string) ($server['REMOTE_ADDR'] ?? ''),
            form: self::formOf($request),
            otherPaths: Request::otherPaths($path, $server),
            search: $uri->getQuery() === '' ? '' : "?{$uri->getQuery()}",
        );
    }

    /** @return array<string, string> */
    private static function formOf(ServerRequestInterface $request): array
    {
        $parsed = $request->getParsedBody();
        $kind = strtolower(trim(explode(';', $request->getHeaderLine('Content-Type'))[0]));
        $body = $request->getBody();
        if ($parsed === null && $kind === 'application/x-www-form-urlencoded' && $body->isSeekable()) {
            // Nobody has read it yet, and whoever does finds it as it was.
            $body->rewind();
            parse_str($body->getSize() <= self::FORM_BYTES_MAX ? $body->getContents() : '', $parsed);
            $body->rewind();
        }

        return is_array($parsed) ? Request::texts($parsed) : [];
    }

    private function answerOf(Response $response, ServerRequestInterface $request): ResponseInterface
    {
        $answer = $this->responses->createResponse($response->status);
        foreach ($response->headers as [$name, $value]) {
            $answer = $answer->withAddedHeader($name, $value);
        }
        if ($request->getMethod() !== 'HEAD') {
            $answer->getBody()->write($response->body);
        }

        return $answer;
    }
}
