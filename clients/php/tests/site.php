<?php

// A site, from sign-up to API keys, as a browser sees it, under PHP's own web server.

declare(strict_types=1);

namespace Tests;

use Authnzerver\{Client, KeyRing, Policy, Refused, Reply, StreamTransport, Transport};
use Authnzerver\Site\{Form, Input, Page, Request, Routes, Row, ShownPage, Site};

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
        same('/login?said=verified', $browser->location);

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

/** Says of a change of address what the server says some minutes after a login, and counts what else is asked. */
final class Later implements Transport
{
    private readonly Transport $server;
    /** @var array<string, int> */
    public array $asked = [];

    public function __construct(string $url, private readonly KeyRing $keys)
    {
        $this->server = new StreamTransport($url);
    }

    public function send(#[\SensitiveParameter] string $body, Policy $policy): Reply
    {
        $asked = json_decode($this->keys->open($body), true);
        $this->asked[$asked['request']] = ($this->asked[$asked['request']] ?? 0) + 1;
        if ($asked['request'] !== 'email-change-start') {
            return $this->server->send($body, $policy);
        }
        $answer = ['success' => false, 'response' => new \stdClass(), 'messages' => ['Please log in once more.']];
        $answer += ['failure_reason' => 'the login is not fresh enough', 'reqid' => $asked['reqid']];

        return new Reply(200, '', $this->keys->seal(json_encode($answer)));
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
    matches('/\(this device\).*198\.51\.100\.\d+<.*since /', $browser->text);
    holds(!str_contains($browser->text, 'End all others'), 'there are none');
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
    matches('/shown this once.*<code>azk_.*<strong>mine<\/strong>.*until \d{4}-\d\d-\d\d/s', $browser->text);
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

test('a visitor has a session once something is stored, and a login takes it over', function () use ($person, $server) {
    $one = $person();
    $visitor = $one->signedUp();
    $visitor->get('/forget');
    $visitor->get('/');
    $names = array_keys($visitor->cookies);
    sort($names);
    same(['__Host-visitor', 'own'], $names);
    $before = $visitor->csrf;
    $visitor->get('/store');
    matches('/^hello \[null,null,{"seen":1}\]/', $visitor->text);
    $session = $visitor->cookies['__Host-session'];
    matches('/__Host-session=[^;]+; Path=\/; Secure; HttpOnly; SameSite=Lax$/m', implode("\n", $visitor->setCookies));
    // Forms of before are still theirs.
    same(200, $visitor->post('/', [], $before));
    matches('/{"seen":1}/', $visitor->text);
    $visitor->get('/store');
    same($session, $visitor->cookies['__Host-session']);
    same(303, $visitor->get('/keys'));
    $one->logIn($visitor, ['email' => $one->email, 'password' => PASSWORD]);
    holds($visitor->cookies['__Host-session'] !== $session);
    $visitor->get('/');
    matches('/^hello \[\d+,null,{"remember":false,"seen":1}\]/', $visitor->text);
    $stale = $one->browser();
    $stale->cookies['__Host-session'] = $session;
    $stale->get('/');
    matches('/^hello \[null,null,\[\]\]/', $stale->text);
    $visitor->get('/forget');
    matches('/^hello \[\d+,null,{"remember":false}\]/', $visitor->text);
    // What one user stored is not the next one's.
    $visitor->get('/store');
    $one->logIn($visitor, $server->admin);
    $visitor->get('/');
    matches('/^hello \[1,null,{"remember":false}\]/', $visitor->text);
});

test('remembered sessions last from the last visit', function () use ($person, $server) {
    $one = $person();
    $one->signedUp();
    $client = new Client($server->url, $server->key);
    foreach ([true, false] as $remember) {
        $form = ['email' => $one->email, 'password' => PASSWORD] + ($remember ? ['remember' => '1'] : []);
        $browser = $one->logIn($one->browser(), $form);
        $cookies = function () use ($browser): string {
            $browser->get('/');

            return implode("\n", $browser->setCookies);
        };
        holds(!str_contains($cookies(), 'session'), 'it has just begun');
        // As it is some days later.
        $user = $client->itself()->sessionInfo($browser->cookies['__Host-session'])->sessionInfo->userId;
        $asked = ['userId' => $user, 'expires' => 10, 'extraInfoJson' => ['remember' => $remember]];
        $later = $client->at('192.0.2.9', '')->sessionNew(...$asked)->sessionToken;
        $browser->cookies['__Host-session'] = $later;
        preg_match('/__Host-session=.*Max-Age=(\d+)/', $cookies(), $age);
        same($remember, ($age[1] ?? 0) > 19 * 86400);
        $expires = $client->itself()->sessionInfo($later)->sessionInfo->expires;
        same($remember, $expires > new \DateTimeImmutable('+19 days'));
    }
});

test('a login by email', function () use ($person, $server) {
    $one = $person();
    $browser = $one->signedUp();
    $browser->get('/login');
    matches('/href="\/login-link">Log in by e-mail/', $browser->text);
    $browser->get('/login-link');
    same(200, $browser->post('/login-link', ['email' => $one->email]));
    $code = $server->code($one->email);
    same(200, $browser->get("/login-link?code=$code"));
    same(303, $browser->get('/sessions'), 'nothing happens by looking');
    $browser->get("/login-link?code=$code");
    same(422, $browser->post('/login-link', ['code' => 'wrong']));
    same(303, $browser->post('/login-link', ['code' => $code]), $browser->text);
    same(200, $browser->get('/sessions'));
});

test('an address is changed and changed back', function () use ($person, $server) {
    $one = $person();
    $browser = $one->loggedIn();
    $other = "new-$one->email";
    $browser->get('/email');
    same(422, $browser->post('/email', ['email' => $one->email]));
    matches('/class="error" role="alert"/', $browser->text);
    same(200, $browser->post('/email', ['email' => $other]), $browser->text);
    [$code, $undo] = [$server->code($other), $server->code($one->email)];
    same(200, $browser->get("/new-address?code=$code"));
    $stranger = $one->browser();
    same(303, $stranger->get("/new-address?code=$code"));
    same("/login?next=/new-address%3Fcode%3D$code", $stranger->location);
    // Whoever logs in then has the code again.
    $stranger->get($stranger->location);
    preg_match('/name="next" value="([^"]+)"/', $stranger->text, $next);
    $stranger->post('/login', ['email' => $one->email, 'password' => PASSWORD, 'next' => $next[1]]);
    $stranger->get($stranger->location);
    matches("/name=\"code\" value=\"$code\"/", $stranger->text);
    same([303, '/sessions?said=email'], [$browser->post('/new-address', ['code' => $code]), $browser->location]);
    $browser->get('/sessions?said=email');
    matches('/Your e-mail address is changed\./', $browser->text);
    $browser->get('/email');
    matches("/$other/", $browser->text);
    $stranger->get("/old-address?code=$undo");
    same([303, '/forgot?said=undone'], [$stranger->post('/old-address', ['code' => $undo]), $stranger->location]);
    same(303, $browser->get('/email'), 'all sessions have ended');
});

test("pages are in the visitor's language, keep what was typed, and show no texts but ours", function () use ($person) {
    $one = $person();
    $one->signedUp();
    $browser = $one->browser();
    $german = ['Accept-Language' => 'fr, en;q=0.5, de-CH;q=0.8'];
    $browser->get('/login', $german);
    matches('/<html lang="de">.*<h1>Anmelden<\/h1>.*>E-Mail-Adresse<\/label>.*>Anmelden<\/button>/s', $browser->text);
    // With no-referrer, browsers send `Origin: null` with the site's own forms.
    same('same-origin', $browser->headers['referrer-policy']);
    matches("/frame-ancestors 'none'/", $browser->headers['content-security-policy']);
    same(422, $browser->post('/login', ['email' => $one->email, 'password' => 'wrong'], '', $german));
    matches('/role="alert">E-Mail-Adresse und Passwort passen nicht.*role="alert">Der nächste Versuch/s', $browser->text);
    matches("/value=\"$one->email\"/", $browser->text);
    holds(!str_contains($browser->text, 'value="wrong"'));
    $browser->get('/store');
    $browser->get('/login');
    same(422, $browser->post('/login', ['email' => $one->email, 'password' => 'wrong']));
    holds(!isset($browser->cookies['__Host-session']), "the visitor's session may have ended with it");
    same(403, $browser->post('/x', [], null, $german));
    matches('/Bitte gehen Sie zurück/', $browser->text);
    $browser->get('/login', ['Accept-Language' => 'de;q=0, de-CH;q=x, *']);
    matches('/<html lang="en">/', $browser->text);
    $browser->get('/login?said=verified');
    matches('/role="status">Your e-mail address is verified/', $browser->text);
    foreach (['/login?said=%3Cb%3Ex', '/login?said[]=x', '/login?next=javascript:alert(1)', '/verify?code=%22%3E%3Cb%3Ex'] as $trick) {
        $browser->get($trick);
        holds(!preg_match('/<b>x|javascript:|role="status"/', $browser->text), $trick);
    }
});

test('below what is static nobody is looked up, and no guard is got around', function () {
    $client = new Client('http://127.0.0.1:1', str_repeat('A', 43), new Policy(tries: 1));
    $site = new Site('A site', ['https://site.example'], $client, log: fn () => null, static: ['/static/']);
    $site->guard('/admin');
    $statusOf = function (string $path, string $cookie = '', string $method = 'GET') use ($site): ?int {
        return $site->handle(new Request($method, $path, headers: ['cookie' => "__Host-session=$cookie"]))?->status;
    };
    same([null, 503], [$statusOf('/static/style.css', 'x'), $statusOf('/statics', 'x')]);
    foreach (['/static/../admin', '/static/%2e%2e/admin', '/static/..%2fadmin', '/static\\..\\admin'] as $path) {
        same(303, $statusOf($path), $path);
    }
    same(403, $statusOf('/static/x', method: 'POST'));
    same(404, $statusOf('/login-link'), 'nobody has asked for that page');
});

test("a question of the program's own is answered, or said to have no answer", function () use ($person, $server) {
    $browser = $person()->browser();
    $browser->get('/may');
    matches('/\[true,false\]$/', $browser->text);
    $server->tell('stop');
    same(503, $browser->get('/may'));
    $server->tell('start');
    holds(isset($browser->headers['retry-after']));
    matches('/^<!doctype.*Please try again soon/', $browser->text);
    $browser->get('/mistake');
    matches('/Uncaught LogicException: a mistake of the program/', $browser->text);
});

test('whoever logged in long ago is led to the login before they change their address', function () use ($server) {
    $keys = new KeyRing($server->key);
    $token = (new Client($server->url, $keys))->at('192.0.2.79', '')->login(...$server->admin)->sessionToken;
    $client = new Client(new Later($server->url, $keys), $keys);
    $site = new Site('A site', ['https://site.example'], $client);
    $about = ['path' => '/email', 'headers' => ['cookie' => "__Host-session=$token"], 'peer' => '192.0.2.79'];
    $site->handle(new Request('GET', ...$about), $visit);
    $form = ['email' => 'new@example.org', 'csrf' => $visit->csrfToken()];
    $response = $site->handle(new Request('POST', ...$about, form: $form));
    same(422, $response->status);
    matches('/role="alert">Please log in once more.*href="\/login\?next=\/email"/s', $response->body);
});

test('a session is prolonged once an hour, and only one that is to be remembered', function () use ($server) {
    $keys = new KeyRing($server->key);
    $visits = function (int $expires, mixed $remember) use ($server, $keys): int {
        $asked = ['userId' => 1, 'expires' => $expires, 'extraInfoJson' => ['remember' => $remember]];
        $token = (new Client($server->url, $keys))->at('192.0.2.80', '')->sessionNew(...$asked)->sessionToken;
        $counting = new Later($server->url, $keys);
        $site = new Site('A site', ['https://site.example'], new Client($counting, $keys), keepDays: 20);
        for ($time = 0; $time < 2; $time += 1) {
            $site->handle(new Request('GET', '/', headers: ['cookie' => "__Host-session=$token"], peer: '192.0.2.80'));
        }

        return $counting->asked['session-touch'] ?? 0;
    };
    same([1, 0, 0, 0], [$visits(10, true), $visits(20, true), $visits(10, false), $visits(10, 1)]);
});

test('a session that does not count before a second proof is ended', function () use ($server) {
    $client = new Client($server->url, $server->key);
    foreach ([true, false] as $due) {
        $visit = null;
        $site = new Site('A site', ['https://site.example'], $client);
        $site->handle(new Request('GET', '/login', peer: '192.0.2.78'), $visit);
        // No server says so yet.
        $second = new \ReflectionMethod(Routes::class, 'enter');
        $answer = $client->at('192.0.2.78', '')->login(...$server->admin);
        $about = ['sessionToken' => $answer->sessionToken, 'expires' => $answer->expires, 'secondFactorDue' => $due];
        $response = $second->invoke(null, $site, $visit, fn (array $_) => (object) $about);
        same($due ? 403 : 303, $response->status);
        $cookies = [];
        $visit->onCookie(function (string $cookie) use (&$cookies) { $cookies[] = $cookie; });
        same(!$due, str_contains(implode($cookies), $answer->sessionToken));
        $ask = fn () => $client->itself()->sessionExists($answer->sessionToken);
        $due ? raises(Refused::class, $ask) : $ask();
    }
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

test('a login leads back to all that was asked for, and nowhere else', function () use ($person) {
    $one = $person();
    $browser = $one->signedUp();
    $stranger = $one->browser();
    $next = function (Browser $browser): string {
        matches('/name="next" value="([^"]*)"/', $browser->text);
        preg_match('/name="next" value="([^"]*)"/', $browser->text, $found);

        return html_entity_decode($found[1]);
    };
    foreach (['/admin?a=1&a=2&b.c=%26%2F%5C', '/admin/%C3%A4%3F?q=%E2%82%AC+%25', '/admin?', '/admin?next=//elsewhere.example'] as $path) {
        same(303, $stranger->get($path), $path);
        $stranger->get($stranger->location);
        $form = ['email' => $one->email, 'password' => PASSWORD, 'next' => $next($stranger)];
        same(303, $browser->post('/login', $form), $browser->text);
        same(rtrim($path, '?'), $browser->location);
        $browser->get('/login');
    }
    foreach (['//elsewhere.example/../admin?x', '/\\elsewhere.example/../admin', 'http://elsewhere.example/admin'] as $path) {
        $stranger->get($path);
        matches('/\A\/login\?next=\/(admin)?\z/', $stranger->location);
        $stranger->get($stranger->location);
        matches('/\A\/(admin)?\z/', $next($stranger));
    }
    $hostile = [
        ...['//elsewhere.example', '///elsewhere.example', 'https://elsewhere.example', 'https:elsewhere.example', '//', ''],
        ...['/\\elsewhere.example', '\\\\elsewhere.example', "/\t/elsewhere.example", "/\n/elsewhere.example", "/a\r\nX: elsewhere"],
        ...["\t//elsewhere.example", ' //elsewhere.example', "/\0/elsewhere.example", "/\x7f/elsewhere.example", "/\n"],
        ...["/\u{2028}/elsewhere.example", "\u{ff0f}\u{ff0f}elsewhere.example", 'javascript:elsewhere', 'elsewhere.example'],
    ];
    foreach ($hostile as $onward) {
        $stranger->get('/login?next=' . rawurlencode($onward));
        same('/', $next($stranger), json_encode($onward));
    }
    $other = $person();
    $another = $other->signedUp();
    foreach ($hostile as $place => $onward) {
        if ($place % 2 === 0) {
            $another->get('/login');
            $form = ['email' => $other->email, 'password' => PASSWORD, 'next' => $onward];
            same([303, '/'], [$another->post('/login', $form), $another->location], json_encode($onward));
        }
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
    $site = new Site('A site', ['https://site.example'], new Client('http://127.0.0.1:1', str_repeat('A', 43)));
    $site->handle(new Request('GET', '/'), $visit);
    $bad = '"><b>it\'s</b><script>';
    $input = new Input($bad, $bad, $bad, $bad, $bad, $bad);
    $form = new Form($bad, [$input], $bad);
    $page = new Page('x', $bad, [$bad], [$form], [new Row($bad, [$bad], $form)], ["/?a&$bad" => $bad], secret: $bad);
    $drawn = $site->show($visit, $page)->body;
    holds(!preg_match('/<b>|<script>|"">/', $drawn), $drawn);
});

test('a page is drawn as by the other clients', function () {
    ['page' => $about, 'content' => $content] = json_decode(file_get_contents(getenv('CLIENTS') . '/tests/page.json'), true);
    $form = fn (?array $form) => $form ? new Form(
        $form['button'],
        array_map(fn (array $input) => new Input(...$input), $form['inputs']),
        $form['action'],
    ) : null;
    $page = new Page(...[
        'forms' => array_map($form, $about['forms']),
        'rows' => array_map(fn (array $row) => new Row($row['title'], $row['details'], $form($row['form'])), $about['rows']),
        'links' => array_column($about['links'], 'text', 'path'),
    ] + $about);
    $render = fn (ShownPage $page) => str_replace($page->csrf(), 'TOKEN', $page->content());
    $client = new Client('http://127.0.0.1:1', str_repeat('A', 43));
    $site = new Site('A site', ['https://site.example'], $client, render: $render);
    $site->handle(new Request('GET', '/'), $visit);
    same($content, $site->show($visit, $page)->body);
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
        matches('/^insecure-session=[\w-]+; Path=\/; HttpOnly; SameSite=Lax$/m', implode("\n", $browser->setCookies));
        same(200, $browser->get('/sessions'));
        $browser->get('/email');
        $other = "new-$email";
        $browser->post('/email', ['email' => $other]);
        matches('/action="\/new-address".*one-time-code/s', $browser->text);
        same(303, $browser->post('/new-address', ['email' => $other, 'code' => $server->code($other)]), $browser->text);
        $browser->get('/login-link');
        $browser->post('/login-link', ['email' => $other]);
        matches('/action="\/login-link".*one-time-code.*Remember me/s', $browser->text);
        $old = $browser->cookies['insecure-session'];
        $form = ['email' => $other, 'code' => strtolower($server->code($other)), 'remember' => '1'];
        same(303, $browser->post('/login-link', $form), $browser->text);
        holds($browser->cookies['insecure-session'] !== $old);
        matches('/Max-Age=\d/', implode($browser->setCookies));
        $browser->get('/signup');
        $browser->post('/signup', ['full_name' => 'Al', 'email' => 'again@example.org', 'new_password' => PASSWORD]);
        $server->code('again@example.org');
        same(200, $browser->post('/signup', ['email' => 'again@example.org', 'resend' => '1']));
        matches('/Look at your e-mail.*Send it again/s', $browser->text);
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
