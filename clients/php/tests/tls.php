<?php

// A server that speaks TLS, with a certificate of an authority of one's own.

declare(strict_types=1);

namespace Tests;

use Authnzerver\{Client, Policy, Unavailable};

require __DIR__ . '/support.php';

$folder = sys_get_temp_dir() . '/tls-' . bin2hex(random_bytes(8));
mkdir($folder, 0700);
$command = [getenv('MAIL_PYTHON'), '-B', getenv('CLIENTS') . '/tests/certificates.py', $folder];
same(0, proc_close(proc_open($command, [], $pipes)));
$server = new Real(['CERTIFICATE' => "$folder/server.pem"]);

$asked = function (string $url, array $tls) use ($server): array {
    $client = new Client($url, $server->key, new Policy(tries: 1), $tls);
    $ask = fn () => $client->at('192.0.2.70', '')->sessionNew(null, expires: 1, extraInfoJson: null)->sessionToken;

    return [$ask(), $ask()];
};

test('who vouches for the server is asked about', function () use ($server, $folder, $asked) {
    [$first, $second] = $asked($server->url, ['cafile' => "$folder/authority.pem"]);
    holds($first !== $second);
});

test('nobody else is told anything', function () use ($server, $folder, $asked) {
    $byName = str_replace('127.0.0.1', 'localhost', $server->url);
    $cases = [[$server->url, []], [$server->url, ['cafile' => "$folder/stranger.pem"]]];
    foreach ([...$cases, [$byName, ['cafile' => "$folder/authority.pem"]]] as [$url, $tls]) {
        $error = raises(Unavailable::class, fn () => $asked($url, $tls));
        same(false, $error->maybeDone);
        matches('/certificate verify failed|did not match|match expected/', $error->getMessage());
    }
});

$server->close();
array_map('unlink', glob("$folder/*"));
rmdir($folder);
finish();
