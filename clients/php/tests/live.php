<?php

// A conversation with a real server.

declare(strict_types=1);

namespace Tests;

use Authnzerver\{BadKey, Call, Calls, Client, KeyRing, OverLimit, Policy, Psr18Transport, Refused, Types, Unavailable};

require __DIR__ . '/support.php';

const PASSWORD = 'quiet-lanterns-over-9-hills';
$server = new Real();
$newKey = vectors()['keys'][1];
$visitor = ['userId' => null, 'expires' => 1, 'extraInfoJson' => null];

test('a conversation', function () use ($server, $visitor) {
    $site = (new Client($server->url, $server->key, new Policy(tries: 1)))->at('192.0.2.0', 'Browser/1.0');
    $email = 'alice@example.org';
    $link = ['link' => 'https://site.example/verify', 'siteName' => 'A site'];
    same('link', $site->signupStart('Alice', $email, PASSWORD, ...$link)->next);
    $verified = $site->signupFinish(code: $server->code($email));
    same(['login', $email, null], [$verified->next, $verified->user->email, $verified->sessionToken]);

    $first = $site->sessionNew(...['extraInfoJson' => ['seen' => 1]] + $visitor)->sessionToken;
    $login = $site->login($email, PASSWORD, sessionToken: $first);
    holds($login->expires > new \DateTimeImmutable());
    raises(Refused::class, fn () => $site->sessionExists($first));
    // An object stays one, also where it is empty.
    holds($site->sessionNew(...['extraInfoJson' => []] + $visitor)->sessionToken !== '');

    $who = Calls::sessionInfo($login->sessionToken);
    $may = Calls::userCheckAccess(
        userId: $login->user->userId,
        userRole: $login->user->userRole,
        action: 'delete',
        targetName: 'user',
        targetOwner: 1,
        targetVisibility: 'private',
        targetSharedwith: null,
    );
    $both = $site->together([$who, $may]);
    same('authenticated', $both->get($who)->sessionInfo->userRole);
    raises(Refused::class, fn () => $both->get($may));
    $stopped = $site->together([$may, $who], stopOnFailure: true);
    raises(Unavailable::class, fn () => $stopped->get($who));

    $key = $site->apikeyIssue($login->sessionToken, name: 'mine', scopes: ['view:dataset']);
    $checked = $site->apikeyCheck($key->apikey, action: 'view', targetName: 'dataset');
    same([$login->user->userId, true], [$checked->userId, $checked->permitted]);
    raises(Refused::class, fn () => $site->apikeyCheck($key->apikey, action: 'delete', targetName: 'dataset'));
    same(['mine'], array_column($site->apikeyList($login->sessionToken)->apikeys, 'name'));

    $limited = raises(OverLimit::class, function () use ($site, $link) {
        for ($tried = 0; $tried < 20; $tried += 1) {
            $site->resetStart('nobody@example.org', ...$link);
        }
    });
    holds($limited->retryAfter > 0);

    $refused = raises(Refused::class, fn () => $site->login($email, 'wrong'));
    same("user does not exist or password doesn't match", $refused->reason);
    holds($refused->retryAfter > 0);

    $unfit = new Call('session-exists', ['session_token' => 5], Types\SessionExistsAnswer::read(...));
    holds(raises(Refused::class, fn () => $site->ask($unfit))->isInvalid());
    // What is no UTF-8 is sent as far as it is.
    raises(Refused::class, fn () => $site->sessionExists("\xff"));
});

test('by a PSR-18 client', function () use ($server, $visitor) {
    require_once 'GuzzleHttp/autoload.php';
    $http = new \GuzzleHttp\Psr7\HttpFactory();
    $guzzle = new \GuzzleHttp\Client(['timeout' => 75, 'connect_timeout' => 3, 'allow_redirects' => false]);
    $site = (new Client(new Psr18Transport($server->url, $guzzle, $http, $http), $server->key))->at('192.0.2.12', '');
    $token = $site->sessionNew(...$visitor)->sessionToken;
    same($token, $site->sessionExists($token)->sessionInfo->sessionToken);
    raises(Refused::class, fn () => $site->sessionExists('none'));
});

test('a vector is opened by the server', function () use ($server) {
    $vectors = vectors();
    $sealed = end($vectors['sealing'])['sealed'];
    $context = stream_context_create(['http' => ['method' => 'POST', 'header' => 'Content-Type: text/plain', 'content' => $sealed]]);
    $answer = file_get_contents($server->url, false, $context);
    $opened = json_decode((new KeyRing($vectors['keys'][0]))->open($answer), true);
    same([false, $vectors['reqid']], [$opened['success'], $opened['reqid']]);
});

test('a key is changed without a pause', function () use ($server, $newKey, $visitor) {
    $rings = [$server->key, "$newKey,$server->key", $newKey];
    $callers = array_map(fn ($keys) => (new Client($server->url, $keys))->at('192.0.2.9', 'Browser/1.0'), $rings);
    [$old, $both, $new] = $callers;
    $both->sessionNew(...$visitor);
    raises(BadKey::class, fn () => $new->sessionNew(...$visitor));
    $server->tell("add $newKey");
    foreach ($callers as $one) {
        $one->sessionNew(...$visitor);
    }
    $server->tell("only $newKey");
    $both->sessionNew(...$visitor);
    $new->sessionNew(...$visitor);
    raises(BadKey::class, fn () => $old->sessionNew(...$visitor));
    $server->tell("only $server->key");
});

test('a stopped server is unavailable, and comes back', function () use ($server, $visitor) {
    $site = (new Client($server->url, $server->key))->at('192.0.2.10', 'Browser/1.0');
    $token = $site->sessionNew(...$visitor)->sessionToken;
    $server->tell('stop');
    same(false, raises(Unavailable::class, fn () => $site->sessionExists($token))->maybeDone);
    $server->tell('start');
    // The kept connection has died meanwhile; nobody notices.
    $site->sessionNew(...$visitor);
    same(2, $site->sessionExists($token)->sessionInfo->userId);
});

$server->close();
finish();
