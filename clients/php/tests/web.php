<?php

// PHP's own web server, and a browser.

declare(strict_types=1);

namespace Tests;

/** PHP's own web server with one of the programs. */
final class Web
{
    public readonly int $port;
    /** @var resource */
    private $process;

    public function __construct(string $program, array $environment)
    {
        $probe = stream_socket_server('tcp://127.0.0.1:0');
        $this->port = (int) substr(strrchr(stream_socket_get_name($probe, false), ':'), 1);
        fclose($probe);
        $command = [PHP_BINARY, '-d', 'display_errors=1', '-S', "127.0.0.1:$this->port", $program];
        $log = ['file', '/dev/null', 'w'];
        $this->process = proc_open($command, [2 => $log], $pipes, null, $environment + getenv());
        for ($tried = 0; $tried < 500 && !@fsockopen('127.0.0.1', $this->port); $tried += 1) {
            usleep(20_000);
        }
    }

    public function close(): void
    {
        proc_terminate($this->process);
        proc_close($this->process);
    }
}

/** Keeps cookies as a browser does, and sends what a browser sends. */
final class Browser
{
    public array $cookies = [];
    public array $setCookies = [];
    public array $headers = [];
    public string $csrf = '';
    public string $location = '';
    public string $text = '';

    public function __construct(private int $port, private string $origin, private string $address)
    {
    }

    public function get(string $path, array $headers = []): int
    {
        return $this->ask('GET', $path, null, $headers);
    }

    public function post(string $path, array $form, ?string $csrf = '', array $headers = []): int
    {
        $form += $csrf === null ? [] : ['csrf' => $csrf ?: $this->csrf];
        $headers += ['Origin' => $this->origin, 'Sec-Fetch-Site' => 'same-origin'];

        return $this->ask('POST', $path, http_build_query($form), $headers);
    }

    public function ask(string $method, string $path, ?string $body, array $headers): int
    {
        $cookies = [];
        foreach ($this->cookies as $name => $value) {
            $cookies[] = "$name=$value";
        }
        $headers += ['X-Real-IP' => $this->address, 'User-Agent' => 'Browser/1.0', 'Connection' => 'close'];
        $headers += ['Host' => '127.0.0.1', 'Cookie' => implode('; ', $cookies)];
        if ($body !== null) {
            $headers += ['Content-Type' => 'application/x-www-form-urlencoded', 'Content-Length' => strlen($body)];
        }
        $head = "$method $path HTTP/1.1\r\n";
        foreach (array_filter($headers, fn ($value) => $value !== null) as $name => $value) {
            $head .= "$name: $value\r\n";
        }
        $socket = stream_socket_client("tcp://127.0.0.1:$this->port");
        stream_set_timeout($socket, 60);
        fwrite($socket, "$head\r\n$body");
        [$head, $this->text] = explode("\r\n\r\n", stream_get_contents($socket), 2) + [1 => ''];
        $this->read(explode("\r\n", $head));

        return (int) explode(' ', $head)[1];
    }

    private function read(array $lines): void
    {
        [$this->headers, $this->setCookies] = [[], []];
        foreach (array_slice($lines, 1) as $line) {
            [$name, $value] = explode(': ', $line, 2) + [1 => ''];
            $this->headers[strtolower($name)] = $value;
            if (strtolower($name) === 'set-cookie') {
                $this->setCookies[] = $value;
                [$cookie, $set] = explode('=', explode(';', $value)[0], 2);
                $this->cookies[$cookie] = $set;
                if (str_contains($value, 'Max-Age=0')) {
                    unset($this->cookies[$cookie]);
                }
            }
        }
        $this->location = $this->headers['location'] ?? '';
        if (preg_match('/[\w-]{16}\.[0-9a-f]{64}/', $this->text, $found)) {
            $this->csrf = $found[0];
        }
    }
}
