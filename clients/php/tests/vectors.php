<?php

// The vectors that all clients pass.

declare(strict_types=1);

namespace Tests;

use Authnzerver\{AuthError, BadAnswer, BadKey, Caller, Calls, Client, Fixed, KeyRing, Misconfigured};
use Authnzerver\{NotAllowed, OverLimit, Policy, Refused, Unavailable};

require __DIR__ . '/support.php';

const ERRORS = [
    'refused' => Refused::class,
    'bad answer' => BadAnswer::class,
    'unavailable' => Unavailable::class,
    'over limit' => OverLimit::class,
    'bad key' => BadKey::class,
    'not allowed' => NotAllowed::class,
    'misconfigured' => Misconfigured::class,
];
$vectors = vectors();

/** Runs something with the random bytes and the time of a vector. */
function with(array $bytes, ?int $time, callable $run): mixed
{
    [Fixed::$bytes, Fixed::$time] = [$bytes, $time];
    try {
        return $run();
    } finally {
        [Fixed::$bytes, Fixed::$time] = [[], null];
    }
}

function visitor(Caller $caller): object
{
    return $caller->sessionNew(userId: null, expires: 1, extraInfoJson: null);
}

function camel(string $name): string
{
    return lcfirst(str_replace('_', '', ucwords($name, '_')));
}

test('keys are read as the server reads them', function () use ($vectors) {
    foreach ($vectors['written_keys']['good'] as $case) {
        same($case['keys'], count(new KeyRing($case['text'])), $case['text']);
    }
    foreach ($vectors['written_keys']['bad'] as $text) {
        raises(\InvalidArgumentException::class, fn () => new KeyRing($text));
    }
});

test('messages are sealed and opened', function () use ($vectors) {
    foreach ($vectors['sealing'] as $case) {
        $ring = new KeyRing($case['key']);
        $sealed = with([16 => hex2bin($case['iv'])], $case['time'], fn () => $ring->seal($case['plain']));
        same($case['sealed'], $sealed);
        same($case['plain'], $ring->open($case['sealed']));
        same($case['plain'], $ring->open($ring->seal($case['plain'])));
        same(null, $ring->open($case['sealed'] . "\n"));
    }
});

test("tokens are those of Fernet's specification", function () use ($vectors) {
    ['key' => $key, 'valid' => $valid, 'invalid' => $invalid] = $vectors['fernet'];
    $ring = new KeyRing($key);
    same($valid['plain'], $ring->open(base64_encode($valid['token'])));
    $made = with([16 => hex2bin($valid['iv'])], $valid['time'], fn () => $ring->seal($valid['plain']));
    same(base64_encode($valid['token']), $made);
    foreach ($invalid as $case) {
        same(null, $ring->open(base64_encode($case['token'])), $case['name']);
    }
});

foreach ($vectors['replies'] as $case) {
    test("this reply means what stands beside it: {$case['name']}", function () use ($vectors, $case) {
        $server = new Scripted($case['reply']);
        $policy = new Policy(tries: 1, answerBytesMax: $vectors['answer_bytes_max']);
        $client = new Client($server->url, implode(',', $vectors['keys']), $policy);
        $reqid = base64_decode(strtr($vectors['reqid'], '-_', '+/'));
        $ask = fn () => with([15 => $reqid], null, fn () => visitor($client->at('192.0.2.7', 'Browser/1.0')));
        try {
            means($case['expected'], $ask);
        } finally {
            $server->close();
        }
    });
}

function means(array $expected, callable $ask): void
{
    if (isset($expected['answer'])) {
        $answer = $ask();
        same($expected['messages'], $answer->messages);
        same($expected['answer']['session_token'], $answer->sessionToken);
        same(0, $answer->expires <=> new \DateTimeImmutable("{$expected['answer']['expires']}Z"));
        return;
    }
    $error = raises(ERRORS[$expected['error']], $ask);
    foreach (array_diff_key($expected, ['error' => 0]) as $name => $value) {
        $seen = $error->{camel($name)};
        same($value, is_float($seen) ? (int) $seen : $seen, $name);
    }
}

foreach ($vectors['retries'] as $case) {
    test("only what may be is asked again: {$case['name']}", function () use ($vectors, $case) {
        $server = new Scripted($case['first'], ['status' => 500, 'headers' => [], 'body' => '']);
        $client = new Client($server->url, implode(',', $vectors['keys']), new Policy(tries: 2));
        $caller = $client->at('192.0.2.7', 'Browser/1.0');
        try {
            $case['request'] === 'read' ? $caller->sessionExists('t') : visitor($caller);
            throw new \LogicException('there was an answer');
        } catch (AuthError) {
            same($case['again'], $server->counts()['asked'] > 1);
        } finally {
            $server->close();
        }
    });
}

function shows_nothing(): void
{
    $keys = vectors()['keys'];
    $server = new Scripted(['status' => 500, 'headers' => [], 'body' => '']);
    $client = new Client($server->url, $keys[0]);
    $login = fn () => $client->at('192.0.2.7', 'B')->login(email: 'a@example.org', password: 'the-password');
    $error = raises(Unavailable::class, $login);
    // Also where PHP is set to keep the arguments of functions.
    ini_set('zend.exception_ignore_args', '0');
    $error = raises(Unavailable::class, $login);
    $refused = new Refused('login', ['token' => 'the-password'], null, []);
    $all = [$error, $refused, Calls::login(email: 'a', password: 'the-password'), $client, $client->keys];
    ob_start();
    foreach ($all as $one) {
        var_dump($one);
        print_r($one);
        echo $one instanceof \Throwable ? $one : '', "\n";
    }
    $shown = ob_get_clean();
    holds(!str_contains($shown, 'the-password'), $shown);
    holds(!str_contains($shown, substr($keys[0], 0, 20)), $shown);
    $server->close();
}

// A closure would show what it uses.
test('an error shows no parameter, and neither does a call, a ring or a client', shows_nothing(...));

finish();
