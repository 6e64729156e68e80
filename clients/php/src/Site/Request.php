<?php

declare(strict_types=1);

namespace Authnzerver\Site;

/** What a browser asks. */
final class Request
{
    /**
     * @param string $path As it was sent, without the query.
     * @param array<string, string> $query
     * @param array<string, string> $headers With names in lower case.
     * @param string $peer The address at the other end of the connection.
     * @param array<string, string> $form
     * @param list<string> $otherPaths What a program may take for the path instead.
     * @param string $search The query as it was sent, with its question mark; or nothing.
     */
    public function __construct(
        public readonly string $method,
        public readonly string $path,
        public readonly array $query = [],
        public readonly array $headers = [],
        public readonly string $peer = '',
        public readonly array $form = [],
        private readonly array $otherPaths = [],
        public readonly string $search = '',
    ) {
    }

    /** The request that PHP answers just now. */
    public static function fromGlobals(): self
    {
        $headers = [];
        foreach ($_SERVER as $name => $value) {
            if (str_starts_with((string) $name, 'HTTP_')) {
                $headers[strtolower(strtr(substr($name, 5), '_', '-'))] = (string) $value;
            }
        }
        // Apache keeps it from CGI programs, unless it is told to pass it on under this name.
        $headers['authorization'] ??= (string) ($_SERVER['REDIRECT_HTTP_AUTHORIZATION'] ?? '');
        $uri = (string) ($_SERVER['REQUEST_URI'] ?? '/');
        // A proxy may be sent a whole address, which frameworks take the path of.
        $uri = preg_replace('/\A[A-Za-z][A-Za-z0-9+.-]*:\/\/[^\/?#]*/', '', $uri);
        $path = preg_replace('/[?#].*\z/s', '', $uri) ?: '/';

        return new self(
            method: (string) ($_SERVER['REQUEST_METHOD'] ?? 'GET'),
            path: $path,
            query: self::texts($_GET),
            headers: $headers,
            peer: (string) ($_SERVER['REMOTE_ADDR'] ?? ''),
            form: self::texts($_POST),
            otherPaths: self::otherPaths($path, $_SERVER),
            search: preg_match('/\A[^?#]*(\?[^#]+)/', $uri, $found) ? $found[1] : '',
        );
    }

    public function header(string $name): ?string
    {
        return ($this->headers[$name] ?? '') === '' ? null : $this->headers[$name];
    }

    /** The cookie of this name. One that is there twice was not set by us. */
    public function cookie(string $name): ?string
    {
        // Not from $_COOKIE, which holds names and values as PHP changed them.
        $found = [];
        foreach (explode(';', $this->headers['cookie'] ?? '') as $part) {
            [$key, $value] = explode('=', trim($part), 2) + [1 => ''];
            if ($key === $name) {
                $found[] = $value;
            }
        }

        return count($found) === 1 && $found[0] !== '' ? $found[0] : null;
    }

    /**
     * Each way in which the program may read the path: routers differ in whether they look at letters' case, decode, join
     * slashes, and leave a script's name out. A guard that covers one of them holds.
     *
     * @return list<string>
     */
    public function readings(): array
    {
        $readings = [];
        foreach ([$this->path, ...$this->otherPaths] as $path) {
            $plain = self::flat($path);
            $decoded = self::flat(rawurldecode($plain));
            array_push($readings, $plain, $decoded, self::resolved($decoded));
        }

        return array_values(array_unique($readings));
    }

    private static function flat(string $path): string
    {
        return strtolower(preg_replace('/\/{2,}/', '/', strtr($path, '\\', '/')));
    }

    private static function resolved(string $path): string
    {
        $parts = [];
        foreach (explode('/', $path) as $part) {
            if ($part === '..') {
                array_pop($parts);
            } elseif ($part !== '.' && $part !== '') {
                $parts[] = $part;
            }
        }

        return '/' . implode('/', $parts);
    }

    /**
     * @return list<string>
     * @internal
     */
    public static function otherPaths(string $path, array $server): array
    {
        $others = array_filter([$server['PATH_INFO'] ?? null, $server['ORIG_PATH_INFO'] ?? null], 'is_string');
        $script = (string) ($server['SCRIPT_NAME'] ?? '');
        // As of /index.php/staff, and of a program in a folder.
        foreach ([$script, dirname($script)] as $prefix) {
            if (strlen($prefix) > 1 && stripos($path, $prefix) === 0) {
                $others[] = '/' . ltrim(substr($path, strlen($prefix)), '/');
            }
        }

        return array_values($others);
    }

    /**
     * Fields that are texts: what has brackets in its name is for the program.
     *
     * @return array<string, string>
     * @internal
     */
    public static function texts(array $fields): array
    {
        return array_filter($fields, 'is_string');
    }
}
