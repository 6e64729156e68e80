<?php

// What a hostile or broken server, or whoever sits in between, can send.

declare(strict_types=1);

namespace Tests;

use Authnzerver\{BadAnswer, Caller, Client, Misconfigured, Policy, Psr18Transport, StreamTransport, Unavailable};

require __DIR__ . '/support.php';

/** Runs something with a server that answers like this. */
function against(array $reply, callable $run, Policy $policy = new Policy(tries: 1, answerSeconds: 20), string $scheme = 'http'): void
{
    $server = new Scripted($reply);
    $client = new Client(str_replace('http', $scheme, $server->url), vectors()['keys'][0], $policy);
    try {
        $run($client->at('192.0.2.7', 'Browser/1.0'), $server);
    } finally {
        $server->close();
    }
}

function write(Caller $site): string
{
    return $site->sessionNew(userId: null, expires: 1, extraInfoJson: null)->sessionToken;
}

$garbage = [
    'words' => "hello\r\n\r\n",
    'another protocol' => "SSH-2.0-OpenSSH_9.2\r\n\r\n",
    'an older HTTP' => "HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nAAAA",
    'chunks' => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nAAAA\r\n",
    'a length that is none' => "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    'a length beyond numbers' => "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
    'no length' => "HTTP/1.1 200 OK\r\n\r\nAAAA",
    'a name with a space' => "HTTP/1.1 200 OK\r\nContent-Length : 4\r\n\r\nAAAA",
    'a head without an end' => "HTTP/1.1 200 OK\r\n" . str_repeat("X-A: b\r\n", 1 << 12),
    'another protocol instead of an answer' => "HTTP/1.1 101 Words\r\nUpgrade: h2c\r\n\r\n",
];
foreach ($garbage as $name => $raw) {
    test("garbage is no answer: $name", fn () => against(['raw' => $raw], function ($site) {
        raises(BadAnswer::class, fn () => write($site));
    }));
}

test('what two readers may read in two ways is no answer', function () {
    foreach (['Transfer-Encoding: chunked', 'Content-Length: 3'] as $header) {
        against(['answer' => 'good', 'header' => $header], fn ($site) => raises(BadAnswer::class, fn () => write($site)));
    }
});

test('whoever is silent, or talks without an end, is left', function () {
    $length = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
    foreach ([['raw' => ''], ['raw' => $length, 'drip' => 'A'], ['raw' => 'HTTP/1.1 200', 'drip' => ' ']] as $slow) {
        against($slow, function ($site) {
            same(true, raises(Unavailable::class, fn () => write($site))->maybeDone);
        }, new Policy(tries: 1, answerSeconds: 0.3));
    }
});

test('a connection that does not come about has done nothing', function () {
    // It waits for a greeting that never comes.
    against(['raw' => ''], function ($site, $server) {
        same(false, raises(Unavailable::class, fn () => write($site))->maybeDone);
        same(2, $server->counts()['connections'], 'so a write is tried again');
    }, new Policy(tries: 2, connectSeconds: 0.3, answerSeconds: 600), 'https');
});

test('an answer of before is not taken again, nor is our own message, nor a changed one', function () {
    against(['answer' => 'replayed'], function ($site) {
        same(str_repeat('t', 43), write($site));
        raises(BadAnswer::class, fn () => write($site));
    });
    foreach (['mirrored', 'flipped'] as $how) {
        against(['answer' => $how], fn ($site) => raises(BadAnswer::class, fn () => write($site)));
    }
});

test('what comes behind an answer is not the answer to the next request', function () {
    $more = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nAAAA";
    against(['answer' => 'good', 'more' => $more], function ($site, $server) {
        same(str_repeat('t', 43), write($site));
        same(str_repeat('t', 43), write($site));
        same(2, $server->counts()['connections'], 'on connections of their own');
    });
});

test('connections are used again', function () {
    against(['answer' => 'good'], function ($site, $server) {
        write($site);
        write($site);
        same(1, $server->counts()['connections']);
    });
});

test('an answer is read up to its bound', function () {
    $reply = ['status' => 200, 'headers' => [], 'body' => '', 'repeat' => ['A', 4097]];
    against($reply, function ($site) {
        matches('/too long/', raises(BadAnswer::class, fn () => write($site))->getMessage());
    }, new Policy(tries: 1, answerBytesMax: 4096));
});

test('an address says nothing more than where the server is', function () {
    foreach (['127.0.0.1:1', 'ftp://a', 'http://a/b', 'http://a?b', 'http://u:p@a', "http://a\r\nX: b", 'http://'] as $url) {
        raises(\InvalidArgumentException::class, fn () => new StreamTransport($url));
    }
    new StreamTransport('http://[::1]:80/');
});

test('by a PSR-18 client', function () {
    require_once 'GuzzleHttp/autoload.php';
    $http = new \GuzzleHttp\Psr7\HttpFactory();
    $guzzle = new \GuzzleHttp\Client(['timeout' => 20, 'allow_redirects' => false, 'stream' => true]);
    $caller = function (string $url, Policy $policy) use ($http, $guzzle): Caller {
        $client = new Client(new Psr18Transport($url, $guzzle, $http, $http), vectors()['keys'][0], $policy);

        return $client->at('192.0.2.7', 'Browser/1.0');
    };
    $policy = new Policy(tries: 1, answerBytesMax: 4096);
    $cases = [
        [['answer' => 'good'], null],
        [['answer' => 'replayed'], null],
        [['answer' => 'flipped'], BadAnswer::class],
        [['raw' => "hello\r\n\r\n", 'cut' => 0], Unavailable::class],
        [['status' => 200, 'headers' => [], 'body' => '', 'repeat' => ['A', 4097]], BadAnswer::class],
        [['status' => 404, 'headers' => [], 'body' => ''], Misconfigured::class],
    ];
    foreach ($cases as [$reply, $error]) {
        $server = new Scripted($reply);
        $ask = fn () => write($caller($server->url, $policy));
        $raised = $error ? raises($error, $ask) : null;
        $error ?: same(str_repeat('t', 43), $ask());
        isset($reply['repeat']) && matches('/too long/', $raised->getMessage());
        $server->close();
    }
    raises(Unavailable::class, fn () => write($caller('http://127.0.0.1:1', $policy)));
});

finish();
