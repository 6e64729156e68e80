<?php

// A site, from sign-up to API keys, as a browser sees it, under PHP's own web server.

declare(strict_types=1);

namespace Tests;

use Authnzerver\{Client, KeyRing};
use Authnzerver\Site\{Page, Request, Response, Site};

require __DIR__ . '/support.php';
require __DIR__ . '/web.php';

const PASSWORD = 'quiet-lanterns-over-9-hills';
const OTHER_PASSWORD = 'seven-harbours-and-1-bridge';

$server = new Real();
$number = 0;

/** Somebody of this name, with the site over HTTPS as browsers see it, or on one's own machine. */
final class Person
{
    public readonly string $email;

    public function __construct(private Real $server, private Web $web, private string $origin, private int $number)
    {
        $this->email = "user$number@example.org";
    }

    public function browser(): Browser
    {
        return new Browser($this->web->port, $this->origin, "198.51.100.$this->number");
    }

    public function signedUp(): Browser
    {
        $browser = $this->browser();
        $browser->get('/signup');
        $form = ['full_name' => 'Al & Co', 'email' => $this->email, 'new_password' => PASSWORD];
        same(200, $browser->post('/signup', $form), $browser->text);
        $code = $this->server->code($this->email);
        $browser->get("/verify?code=$code");
        same(303, $browser->post('/verify', ['code' => $code]), $browser->text);
        same('/login', $browser->location);

        return $browser;
    }

    public function loggedIn(): Browser
    {
        return $this->logIn($this->signedUp(), ['email' => $this->email, 'password' => PASSWORD]);
    }

    public function logIn(Browser $browser, array $form): Browser
    {
        $browser->get('/login');
        same(303, $browser->post('/login', $form), $browser->text);

        return $browser;
    }
}

$origin = 'https://site.example';
$web = new Web(__DIR__ . '/program.php', ['URL' => $server->url, 'KEY' => $server->key, 'ORIGIN' => $origin]);
$person = function () use ($server, $web, $origin, &$number): Person {
    return new Person($server, $web, $origin, ++$number);
};

test('from sign-up to keys', function () use ($person, $server) {
    $one = $person();
    $browser = $one->signedUp();
    holds(!isset($browser->cookies['__Host-session']));
    same([303, '/login?next=/sessions'], [$browser->get('/sessions'), $browser->location]);
    $browser->get($browser->location);
    $before = $browser->csrf;
    $form = ['email' => $one->email, 'password' => PASSWORD, 'next' => '/sessions', 'remember' => '1'];
    same([303, '/sessions'], [$browser->post('/login', $form), $browser->location]);
    $cookies = preg_grep('/^__Host-session=[\w-]+; Path=\/; Secure; HttpOnly; SameSite=Lax; Max-Age=\d+$/', $browser->setCookies);
    same(1, count($cookies), implode("\n", $browser->setCookies));
    holds(!isset($browser->cookies['__Host-visitor']));
    // The token of before the login is bound to no session.
    same(403, $browser->post('/logout', [], $before));

    same(200, $browser->get('/sessions'));
    matches('/198\.51\.100\.\d+, since .*\(this device\)/', $browser->text);
    same('no-store', $browser->headers['cache-control']);
    $browser->get('/password');
    same(422, $browser->post('/password', ['password' => 'wrong', 'new_password' => OTHER_PASSWORD]));

    $browser->get('/keys');
    $browser->post('/keys', ['name' => 'mine', 'scopes' => 'view:dataset']);
    holds(preg_match('/azk_[A-Za-z0-9_-]+/', $browser->text, $key) === 1);
    $api = $one->browser();
    same(401, $api->get('/api'));
    same(401, $api->get('/api', ['Authorization' => 'Bearer azk_no_key']));
    $bearer = ['Authorization' => "Bearer $key[0]"];
    same(200, $api->get('/api/x', $bearer));
    matches('/^hello \[null,\d+,\[\]\]/', $api->text);
    // Who comes with a key and a cookie is the key's owner, and is logged in nowhere.
    same(200, $browser->get('/api', $bearer));
    matches('/^hello \[null,\d+,\[\]\]/', $browser->text);
    $site = new Site('A site', ['https://site.example'], new Client($server->url, $server->key));
    $site->guard('/api', key: ['view', 'dataset']);
    $headers = ['authorization' => "Bearer $key[0]", 'cookie' => "__Host-session={$browser->cookies['__Host-session']}"];
    same(null, $site->handle(new Request('POST', '/api', headers: $headers, peer: '198.51.100.250'), $visit));
    same([null, null], [$visit->sessionToken, $visit->session]);
    // A key is nobody who is logged in.
    same(403, $api->get('/api/admin', $bearer));
    // No browser sends a key by itself, so nobody forges it.
    same(200, $api->post('/api', [], null, $bearer + ['Origin' => null, 'Sec-Fetch-Site' => 'cross-site']));

    $browser->get('/logout');
    $token = $browser->cookies['__Host-session'];
    same(303, $browser->post('/logout', []));
    holds(!isset($browser->cookies['__Host-session']));
    $browser->cookies['__Host-session'] = $token;
    same(303, $browser->get('/sessions'));
});

test('sessions and keys are ended, and a password is changed', function () use ($person) {
    $one = $person();
    $browser = $one->loggedIn();
    $other = $one->logIn($one->browser(), ['email' => $one->email, 'password' => PASSWORD]);
    $browser->get('/sessions');
    same(303, $browser->post('/sessions', ['others' => '1']));
    same(303, $other->get('/sessions'));
    $browser->get('/keys');
    $browser->post('/keys', ['name' => 'mine', 'scopes' => 'view:dataset']);
    $browser->get('/keys');
    preg_match('/name="key_id" value="([^"]+)"/', $browser->text, $id);
    same(303, $browser->post('/keys', ['key_id' => $id[1]]));
    $browser->get('/keys');
    holds(!str_contains($browser->text, 'mine'));
    $browser->get('/password');
    same(303, $browser->post('/password', ['password' => PASSWORD, 'new_password' => OTHER_PASSWORD]), $browser->text);
    $browser->get('/sessions');
    preg_match('/name="session_id" value="([^"]+)"/', $browser->text, $id);
    same(303, $browser->post('/sessions', ['session_id' => $id[1]]));
    same(303, $browser->get('/sessions'));
});

test('a forgotten password ends sessions', function () use ($person, $server) {
    $one = $person();
    $thief = $one->loggedIn();
    $owner = $one->browser();
    $owner->get('/forgot');
    same(200, $owner->post('/forgot', ['email' => $one->email]));
    $code = $server->code($one->email);
    $owner->get("/reset?code=$code");
    same(422, $owner->post('/reset', ['code' => $code, 'new_password' => 'short']));
    same(303, $owner->post('/reset', ['code' => $code, 'new_password' => OTHER_PASSWORD]));
    same(303, $thief->get('/sessions'));
});

test('forged forms are refused', function () use ($person, $server) {
    $one = $person();
    $browser = $one->loggedIn();
    $browser->get('/logout');
    $forged = [
        [null, []],
        ['x.y', []],
        [str_repeat('A', 16) . '.' . str_repeat('0', 64), []],
        ['', ['Origin' => 'https://elsewhere.example']],
        ['', ['Origin' => 'null']],
        ['', ['Sec-Fetch-Site' => 'cross-site']],
        ['', ['Sec-Fetch-Site' => 'same-site']],
    ];
    foreach (['/logout', '/anything-of-the-program'] as $path) {
        foreach ($forged as $place => [$csrf, $headers]) {
            same(403, $browser->post($path, [], $csrf, $headers), "$path $place");
        }
        foreach (['DELETE', 'PUT', 'PATCH', 'PROPFIND'] as $method) {
            same(403, $browser->ask($method, $path, null, []), $method);
        }
    }
    $stranger = $one->browser();
    $stranger->get('/login');
    same(403, $browser->post('/logout', [], $stranger->csrf));
    $one->logIn($stranger, $server->admin)->get('/logout');
    same(403, $browser->post('/logout', [], $stranger->csrf));
    // A cookie that somebody else has set beside ours.
    $own = $browser->cookies['__Host-session'];
    $browser->cookies['__Host-session'] = "$own; __Host-session={$stranger->cookies['__Host-session']}";
    same(403, $browser->post('/logout', []));
    $browser->cookies['__Host-session'] = $own;
    // PHP itself decodes the names of cookies.
    $stranger->cookies = ['__%48ost-session' => $own, '..Host-session' => $own];
    same(303, $stranger->get('/sessions'));

    same(200, $browser->post('/anything-of-the-program', ['a' => 'b']));
    matches('/ a=b&csrf=/', $browser->text);
    same(200, $browser->post('/anything-of-the-program', [], null, ['X-CSRF-Token' => $browser->csrf]));
});

test("a session that somebody else has chosen is not the user's", function () use ($person, $server) {
    $one = $person();
    $browser = $one->signedUp();
    $visitor = (new Client($server->url, $server->key))->itself()->sessionNew(null, expires: 1, extraInfoJson: null);
    $browser->cookies['__Host-session'] = $visitor->sessionToken;
    $one->logIn($browser, ['email' => $one->email, 'password' => PASSWORD]);
    holds($browser->cookies['__Host-session'] !== $visitor->sessionToken);
    $thief = $one->browser();
    $thief->cookies['__Host-session'] = $visitor->sessionToken;
    same(303, $thief->get('/sessions'));
});

test('a visitor has a session once something is stored', function () use ($person) {
    $visitor = $person()->browser();
    $visitor->get('/');
    same(['own', '__Host-visitor'], array_keys($visitor->cookies));
    $before = $visitor->csrf;
    $visitor->get('/store');
    matches('/^hello \[null,null,{"seen":1}\]/', $visitor->text);
    $session = $visitor->cookies['__Host-session'];
    // Forms of before are still theirs.
    same(200, $visitor->post('/', [], $before));
    matches('/{"seen":1}/', $visitor->text);
    $visitor->get('/store');
    same($session, $visitor->cookies['__Host-session']);
    same(303, $visitor->get('/keys'));
});

test('guards let in only who may, however the path is written', function () use ($person, $server) {
    $one = $person();
    $user = $one->loggedIn();
    $stranger = $one->browser();
    $paths = ['/admin', '/admin/x', '/Admin', '//admin', '/%61dmin', '/admin%2fx', '/x/../admin', '/admin?a'];
    array_push($paths, '/index.php/admin', '/program.php/admin');
    foreach ([...$paths, '/new', '/users', '/keys', '/KEYS'] as $path) {
        same(303, $stranger->get($path), $path);
    }
    foreach ($paths as $path) {
        same(403, $user->get($path), $path);
    }
    for ($time = 0; $time < 2; $time += 1) {
        same([200, 403], [$user->get('/new'), $user->get('/users')]);
    }
    $admin = $one->logIn($one->browser(), $server->admin);
    same([200, 200], [$admin->get('/admin'), $user->get('/administrators')]);
    same([303, 403], [$stranger->get('/staff-only'), $user->get('/staff-only')]);
    same([200, 'ok'], [$admin->get('/staff-only'), $admin->text]);
});

test('a process that answers many requests asks the session and the policy at once', function () use ($person, $server) {
    $one = $person();
    $browser = $one->loggedIn();
    $client = new Client($server->url, $server->key);
    // In a process that answers many requests.
    $site = new Site('A site', ['https://site.example'], $client);
    $site->guard('/users', may: ['create', 'user']);
    $site->guard('/new', may: ['create', 'dataset']);
    $cookie = ['cookie' => "__Host-session={$browser->cookies['__Host-session']}"];
    $ask = fn () => $site->handle(new Request('GET', '/users', [], $cookie, '198.51.100.250'), $visit)?->status;
    $user = $client->itself()->userLookupEmail(email: $one->email)->userInfo->userId;
    same([403, 403], [$ask(), $ask()]);
    $new = new Request('GET', '/new', [], $cookie, '198.51.100.250');
    same([null, null], [$site->handle($new, $visit), $site->handle($new, $visit)]);
    $client->itself()->internalUserEdit(targetUserid: $user, updateDict: ['user_role' => 'superuser']);
    // Their sessions end with that.
    same(303, $ask());
});

test('a login leads nowhere else', function () use ($person) {
    $one = $person();
    $browser = $one->signedUp();
    $browser->get('/login?next=//elsewhere.example/');
    holds(!str_contains($browser->text, 'elsewhere'));
    foreach (['//elsewhere.example', 'https://elsewhere.example', '/\\elsewhere.example', "/a\r\nX: y", "/\n"] as $next) {
        $form = ['email' => $one->email, 'password' => PASSWORD, 'next' => $next];
        same([303, '/'], [$browser->post('/login', $form), $browser->location], $next);
        $browser->get('/login');
    }
});

test('nobody is let in while the server is gone', function () use ($person, $server) {
    $browser = $person()->loggedIn();
    $server->tell('stop');
    foreach (['/sessions', '/new', '/api', '/'] as $path) {
        same(503, $browser->get($path, ['Authorization' => 'Bearer azk_x_y']), $path);
    }
    $server->tell('start');
    same(200, $browser->get('/sessions'));
});

test('a page shows texts as texts', function () {
    $page = new Page('x', '<title>', ['<b>"it\'s"</b>'], links: ['/?a&b' => '<a>']);
    $drawn = $page->draw('"><script>');
    holds(!preg_match('/<b>|<a>|<script>|<title><title>/', $drawn), $drawn);
});

test('only a proxy says whose request it is', function () {
    $site = new Site('A site', ['https://site.example'], new Client('http://127.0.0.1:1', str_repeat('A', 43)), ['192.0.2.1']);
    $cases = [
        ['192.0.2.1', '203.0.113.5', '203.0.113.5'],
        ['::ffff:192.0.2.1', '203.0.113.5', '203.0.113.5'],
        ['192.0.2.2', '203.0.113.5', '192.0.2.2'],
        ['192.0.2.1', 'no address', '192.0.2.1'],
        ['192.0.2.1', '', '192.0.2.1'],
    ];
    foreach ($cases as [$peer, $told, $seen]) {
        same($seen, $site->clientAddress(new Request('GET', '/', headers: ['x-real-ip' => $told], peer: $peer)));
    }
});

test("over HTTP a site is on one's own machine", function () {
    $client = new Client('http://127.0.0.1:1', str_repeat('A', 43));
    foreach (['http://site.example', 'https://site.example/path', 'https://', ''] as $origin) {
        raises(\InvalidArgumentException::class, fn () => new Site('A site', [$origin], $client));
    }
});

test("on one's own machine, codes are typed and cookies go over HTTP", function () {
    $server = new Real(['CODES' => 'typed']);
    $origin = 'http://127.0.0.1:3000';
    $web = new Web(__DIR__ . '/program.php', ['URL' => $server->url, 'KEY' => $server->key, 'ORIGIN' => $origin]);
    $browser = new Browser($web->port, $origin, '198.51.100.200');
    $email = 'typist@example.org';
    try {
        $browser->get('/signup');
        $browser->post('/signup', ['full_name' => 'Al', 'email' => $email, 'new_password' => PASSWORD]);
        matches('/Type the code.*action="\/verify".*value="typist@example.org".*Code from the e-mail/s', $browser->text);
        $code = $server->code($email);
        same(303, $browser->post('/verify', ['email' => $email, 'code' => $code]));
        $browser->get('/forgot');
        $browser->post('/forgot', ['email' => $email]);
        matches('/action="\/reset"/', $browser->text);
        $reset = ['email' => $email, 'code' => $server->code($email), 'new_password' => OTHER_PASSWORD];
        same(303, $browser->post('/reset', $reset), $browser->text);
        $browser->get('/login');
        same(303, $browser->post('/login', ['email' => $email, 'password' => OTHER_PASSWORD]), $browser->text);
        matches('/^insecure-session=[\w-]+; Path=\/; HttpOnly; SameSite=Lax$/', $browser->setCookies[0]);
        same(200, $browser->get('/sessions'));
        $browser->get('/verify');
        same(422, $browser->post('/verify', ['email' => $email, 'code' => 'AAAA-AAAA']));
        matches('/value="typist@example.org".*Code from the e-mail/s', $browser->text);
    } finally {
        $web->close();
        $server->close();
    }
});

$web->close();
$server->close();
finish();
