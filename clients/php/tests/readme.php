<?php

// The README's examples, run as they stand there; only addresses are others.

declare(strict_types=1);

namespace Tests;

require __DIR__ . '/support.php';
require __DIR__ . '/web.php';

preg_match_all('/^```php\n(.*?)^```$/ms', file_get_contents(getenv('CLIENTS') . '/php/README.md'), $examples);
[$first, $second, $program] = $examples[1];
$folder = sys_get_temp_dir() . '/readme-' . bin2hex(random_bytes(8));
mkdir($folder, 0700);
$server = new Real();
file_put_contents("$folder/key", $server->key);

/** Writes an example, with what is another here; gives its path. */
function written(string $path, string $code, array $replaced): string
{
    foreach ($replaced as $text => $other) {
        holds(str_contains($code, $text), $text);
    }
    file_put_contents($path, "<?php\n" . strtr($code, $replaced));

    return $path;
}

$replaced = ['http://127.0.0.1:13431' => $server->url, 'run/.authnzerver-secret-key' => "$folder/key"];

test('the first examples', function () use ($first, $second, $folder, $replaced) {
    $path = written("$folder/first.php", "$first\n$second", $replaced);
    $command = [PHP_BINARY, '-d', 'auto_prepend_file=' . getenv('AUTOLOAD'), $path];
    $process = proc_open($command, [1 => ['pipe', 'w'], 2 => STDERR], $pipes);
    matches('/do not fit together.*\n.+/', stream_get_contents($pipes[1]));
    same(0, proc_close($process));
});

test('the site', function () use ($program, $folder, $replaced) {
    $path = written("$folder/index.php", $program, ['vendor/autoload.php' => getenv('AUTOLOAD')] + $replaced);
    $web = new Web($path, []);
    $browser = new Browser($web->port, 'https://example.org', '198.51.100.1');
    $seen = [];
    foreach (['/', '/login', '/staff', '/new', '/api'] as $page) {
        $seen[] = $browser->get($page);
    }
    $web->close();
    same([200, 200, 303, 303, 401], $seen);
});

$server->close();
array_map('unlink', glob("$folder/*"));
rmdir($folder);
finish();
