<?php

declare(strict_types=1);

namespace Authnzerver;

/** The client's own connections, which are kept for as long as the object lives. It needs no extension but openssl. */
final class StreamTransport implements Transport
{
    private const HEAD_BYTES_MAX = 16 << 10;
    private const PART_BYTES = 1 << 16;

    private readonly string $host;
    private readonly int $port;
    private readonly bool $isTls;
    private readonly string $hostHeader;
    /** @var list<array{since: float, stream: resource}> */
    private array $idle = [];
    private int $process;

    /** @param array<string, mixed> $tls Options of PHP's `ssl` context, such as `cafile`. */
    public function __construct(string $url, private readonly array $tls = [])
    {
        $parts = parse_url($url);
        $scheme = $parts['scheme'] ?? '';
        $surplus = array_diff_key($parts ?: [], ['scheme' => 0, 'host' => 0, 'port' => 0, 'path' => 0]);
        if (!in_array($scheme, ['http', 'https'], true) || $surplus || !in_array($parts['path'] ?? '', ['', '/'], true)) {
            throw new \InvalidArgumentException("the server's address is http://HOST:PORT or https://HOST:PORT");
        }
        // It stands in a header as it is.
        if (!preg_match('/\A(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])\z/', $parts['host'] ?? '')) {
            throw new \InvalidArgumentException("the server's address has no host name");
        }
        $this->isTls = $scheme === 'https';
        $this->host = $parts['host'];
        $this->port = $parts['port'] ?? ($this->isTls ? 443 : 80);
        $this->hostHeader = $this->host . (isset($parts['port']) ? ":$this->port" : '');
        $this->process = getmypid();
    }

    public function send(#[\SensitiveParameter] string $body, Policy $policy): Reply
    {
        $stream = $this->connection($policy);
        $deadline = self::now() + $policy->answerSeconds;
        $keep = false;
        try {
            $this->write($stream, $this->head($body) . $body, $deadline);
            [$reply, $keep] = $this->receive($stream, $policy, $deadline);

            return $reply;
        } finally {
            if ($keep && count($this->idle) < $policy->connectionsMax) {
                $this->idle[] = ['since' => self::now(), 'stream' => $stream];
            } else {
                fclose($stream);
            }
        }
    }

    private function head(#[\SensitiveParameter] string $body): string
    {
        return "POST / HTTP/1.1\r\nHost: $this->hostHeader\r\nContent-Length: " . strlen($body)
            . "\r\nContent-Type: text/plain\r\n\r\n";
    }

    /** @return resource */
    private function connection(Policy $policy)
    {
        // A process that has forked shares them with the other one.
        if ($this->process !== getmypid()) {
            [$this->idle, $this->process] = [[], getmypid()];
        }
        while ($kept = array_pop($this->idle)) {
            // One that can be read is closed, or says what nobody asked for.
            $isStale = self::isReady($kept['stream'], self::now(), forWriting: false);
            if (!$isStale && self::now() - $kept['since'] <= $policy->idleSecondsMax) {
                return $kept['stream'];
            }
            fclose($kept['stream']);
        }

        return $this->connect(self::now() + $policy->connectSeconds, $policy->connectSeconds);
    }

    /** @return resource */
    private function connect(float $deadline, float $seconds)
    {
        $name = trim($this->host, '[]');
        $context = stream_context_create([
            'socket' => ['tcp_nodelay' => true],
            'ssl' => $this->tls + ['verify_peer' => true, 'verify_peer_name' => true, 'peer_name' => $name],
        ]);
        $address = "tcp://$this->host:$this->port";
        $stream = @stream_socket_client($address, $number, $why, $seconds, STREAM_CLIENT_CONNECT, $context);
        if ($stream === false) {
            throw new Unavailable("the server cannot be reached: $why", maybeDone: false);
        }
        stream_set_blocking($stream, false);
        if ($this->isTls && !$this->encrypt($stream, $deadline)) {
            fclose($stream);
            // Such as that a certificate does not verify; without a reason, it took too long.
            $why = preg_replace('/\s+/', ' ', error_get_last()['message'] ?? 'it took too long');
            throw new Unavailable("the server cannot be reached: $why", maybeDone: false);
        }

        return $stream;
    }

    /** @param resource $stream */
    private function encrypt($stream, float $deadline): bool
    {
        $versions = STREAM_CRYPTO_METHOD_TLSv1_2_CLIENT | STREAM_CRYPTO_METHOD_TLSv1_3_CLIENT;
        error_clear_last();
        // It is 0 while more has to come.
        while (($done = @stream_socket_enable_crypto($stream, true, $versions)) === 0) {
            if (!self::isReady($stream, $deadline, forWriting: false)) {
                return false;
            }
        }

        return $done;
    }

    /** @param resource $stream */
    private function write($stream, #[\SensitiveParameter] string $bytes, float $deadline): void
    {
        for ($sent = 0; $sent < strlen($bytes); $sent += $written) {
            if (!self::isReady($stream, $deadline, forWriting: true)) {
                throw new Unavailable('no answer: it took too long', maybeDone: true);
            }
            $written = @fwrite($stream, substr($bytes, $sent, self::PART_BYTES));
            if ($written === false) {
                throw new Unavailable('no answer: the connection broke', maybeDone: true);
            }
        }
    }

    /**
     * @param resource $stream
     * @return array{Reply, bool} Also whether the connection can be used again.
     */
    private function receive($stream, Policy $policy, float $deadline): array
    {
        $received = '';
        while (($end = strpos($received, "\r\n\r\n")) === false) {
            if (strlen($received) > self::HEAD_BYTES_MAX) {
                throw new BadAnswer("the answer's head is too long");
            }
            $received .= $this->some($stream, $deadline);
        }
        [$status, $headers] = self::readHead(substr($received, 0, $end));
        $length = self::length($headers, $policy->answerBytesMax);
        $parts = [substr($received, $end + 4)];
        for ($got = strlen($parts[0]); $got < $length; $got += strlen(end($parts))) {
            $parts[] = $this->some($stream, $deadline);
        }
        // What comes behind an answer nobody asked for.
        $keep = $got === $length && strtolower($headers['connection'] ?? '') !== 'close';
        $body = substr(implode('', $parts), 0, $length);

        return [new Reply($status, $headers['retry-after'] ?? '', $body), $keep];
    }

    /** @param resource $stream */
    private function some($stream, float $deadline): string
    {
        do {
            $part = @fread($stream, self::PART_BYTES);
            if (is_string($part) && $part !== '') {
                return $part;
            }
            if ($part === false || feof($stream)) {
                throw new Unavailable('the server closed the connection without an answer', maybeDone: true);
            }
        } while (self::isReady($stream, $deadline, forWriting: false));
        throw new Unavailable('no answer: it took too long', maybeDone: true);
    }

    /** @return array{int, array<string, string>} */
    private static function readHead(string $head): array
    {
        $lines = explode("\r\n", $head);
        if (!preg_match('/\AHTTP\/1\.1 (\d{3})(?: |\z)/', array_shift($lines), $parts)) {
            throw new BadAnswer('no HTTP answer');
        }
        $headers = [];
        foreach ($lines as $line) {
            if (!preg_match('/\A([!-9;-~]+):(.*)\z/s', $line, $pair)) {
                throw new BadAnswer('malformed headers');
            }
            $name = strtolower($pair[1]);
            if ($name === 'content-length' && isset($headers[$name])) {
                throw new BadAnswer('malformed headers');
            }
            $headers[$name] = trim($pair[2]);
        }

        return [(int) $parts[1], $headers];
    }

    /**
     * A body without a length, or with too great a one, is refused.
     *
     * @param array<string, string> $headers
     */
    private static function length(array $headers, int $bytesMax): int
    {
        $length = $headers['content-length'] ?? '';
        if (isset($headers['transfer-encoding']) || !preg_match('/\A\d{1,15}\z/', $length)) {
            throw new BadAnswer('an answer without a length');
        }

        return (int) $length <= $bytesMax ? (int) $length : throw new BadAnswer('the answer is too long');
    }

    /**
     * Whether something can be read or written before the deadline.
     *
     * @param resource $stream
     */
    private static function isReady($stream, float $deadline, bool $forWriting): bool
    {
        do {
            $left = max(0, $deadline - self::now());
            [$read, $write, $except] = [$forWriting ? null : [$stream], $forWriting ? [$stream] : null, null];
            // A signal in between ends it early.
            $ready = @stream_select($read, $write, $except, (int) $left, (int) (fmod($left, 1) * 1e6));
        } while ($ready === false && $left > 0);

        return $ready === 1;
    }

    private static function now(): float
    {
        return hrtime(true) / 1e9;
    }
}
