<?php

// What the tests share: how they are run, the vectors, a server that says what it is told to, and a real one.

declare(strict_types=1);

namespace Authnzerver {
    // What stands in the place of PHP's own functions, for code of this namespace alone.
    final class Fixed
    {
        /** @var array<int, string> By length. */
        public static array $bytes = [];
        public static ?int $time = null;
    }

    function random_bytes(int $length): string
    {
        return Fixed::$bytes[$length] ?? \random_bytes($length);
    }

    function time(): int
    {
        return Fixed::$time ?? \time();
    }
}

namespace Tests {
    error_reporting(E_ALL);
    set_error_handler(function (int $level, string $message, string $file, int $line): bool {
        // What is silenced by an @ is left so.
        return error_reporting() & $level ? throw new \ErrorException($message, 0, $level, $file, $line) : false;
    });

    require getenv('AUTOLOAD');

    final class Results
    {
        public static int $passed = 0;
        public static int $failed = 0;
    }

    function test(string $name, callable $run): void
    {
        try {
            $run();
            Results::$passed += 1;
        } catch (\Throwable $error) {
            Results::$failed += 1;
            echo "FAILED: $name\n  ", $error::class, ": {$error->getMessage()}\n  ", $error->getTraceAsString(), "\n";
        }
    }

    function finish(): never
    {
        printf("%d passed, %d failed\n", Results::$passed, Results::$failed);
        exit(Results::$failed === 0 && Results::$passed > 0 ? 0 : 1);
    }

    function same(mixed $expected, mixed $seen, string $about = ''): void
    {
        if ($expected !== $seen) {
            throw new \LogicException("$about: " . var_export($seen, true) . ' instead of ' . var_export($expected, true));
        }
    }

    function holds(bool $seen, string $about = ''): void
    {
        same(true, $seen, $about);
    }

    function matches(string $pattern, string $text): void
    {
        holds(preg_match($pattern, $text) === 1, "$pattern in: " . substr($text, 0, 2000));
    }

    /**
     * @template T of \Throwable
     * @param class-string<T> $class
     * @return T
     */
    function raises(string $class, callable $run): \Throwable
    {
        try {
            $run();
        } catch (\Throwable $error) {
            same($class, $error::class, $error->getMessage());

            return $error;
        }
        throw new \LogicException("there was no $class");
    }

    function vectors(): array
    {
        return json_decode(file_get_contents(getenv('CLIENTS') . '/vectors.json'), true, flags: JSON_THROW_ON_ERROR);
    }

    /** A process that answers each line with one. */
    abstract class Helper
    {
        /** @var resource */
        private $process;
        /** @var array<int, resource> */
        private array $pipes = [];

        protected function start(array $command, array $environment = []): array
        {
            $ends = [['pipe', 'r'], ['pipe', 'w'], STDERR];
            $this->process = proc_open($command, $ends, $this->pipes, null, $environment + getenv());

            return $this->said();
        }

        protected function said(): array
        {
            $line = fgets($this->pipes[1]);

            return $line ? json_decode($line, true) : throw new \LogicException(static::class . ' does not answer');
        }

        public function tell(string $words): array
        {
            fwrite($this->pipes[0], "$words\n");

            return $this->said();
        }

        public function close(): void
        {
            array_map('fclose', $this->pipes);
            proc_close($this->process);
        }
    }

    /** Answers over HTTP as it is told to, the last reply again and again; counts what it was asked. */
    final class Scripted extends Helper
    {
        public readonly string $url;

        public function __construct(array ...$replies)
        {
            $said = $this->start([PHP_BINARY, __DIR__ . '/scripted.php', json_encode($replies)]);
            $this->url = $said['url'];
        }

        /** @return array{asked: int, connections: int} */
        public function counts(): array
        {
            return $this->tell('');
        }
    }

    /** A real server, with a mail server. */
    final class Real extends Helper
    {
        public readonly string $url;
        public readonly string $key;
        public readonly array $admin;
        private readonly string $emails;

        /** With settings of the server's, such as `['CODES' => 'typed']`. */
        public function __construct(array $settings = [])
        {
            $server = getenv('CLIENTS') . '/tests/server.py';
            $said = $this->start([getenv('MAIL_PYTHON'), '-B', $server, getenv('AUTHNZERVER')], $settings);
            [$this->url, $this->key] = [$said['url'], $said['key']];
            [$this->admin, $this->emails] = [$said['admin'], $said['emails']];
        }

        /** The newest code that was emailed to an address; waits until there is one, and forgets it. */
        public function code(string $address): string
        {
            $deadline = microtime(true) + 30;
            while (microtime(true) < $deadline) {
                foreach (array_reverse(glob("$this->emails/*.eml")) as $file) {
                    $text = str_replace(["=\r\n", '=3D'], ['', '='], file_get_contents($file));
                    $isTo = preg_match('/^To:.*' . preg_quote($address) . '/im', $text);
                    $code = '/[?&]code=([A-Za-z0-9_-]+)|^([A-Z0-9]{4}-[A-Z0-9]{4})\s*$/m';
                    if ($isTo && preg_match($code, $text, $found)) {
                        unlink($file);

                        return $found[1] ?: $found[2];
                    }
                }
                usleep(20_000);
            }
            throw new \LogicException("no email came to $address");
        }
    }
}
