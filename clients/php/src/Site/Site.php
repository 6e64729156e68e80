<?php

declare(strict_types=1);

namespace Authnzerver\Site;

use Authnzerver\AuthError;
use Authnzerver\Batch;
use Authnzerver\Call;
use Authnzerver\Calls;
use Authnzerver\Client;
use Authnzerver\OverLimit;
use Authnzerver\Refused;
use Authnzerver\Unavailable;

/**
 * A site's accounts: pages from sign-up to API keys, sessions in a cookie, guards, and protection against forged forms.
 *
 * Begin each script, or the one that all requests come to, with `$visit = $site->enter()`.
 */
final class Site
{
    private const HINTS_MAX = 4096;
    private const SAFE = ['GET', 'HEAD', 'OPTIONS', 'TRACE'];
    private const KEY_IS_KNOWN = ["action not within the API key's scopes", 'action not permitted'];

    private readonly bool $isSecure;
    /** @var list<string> */
    private readonly array $csrfKeys;
    /** @var list<Guard> */
    private array $guards = [];
    /** @var array<string, array{int, string}> Who sessions belonged to, for as long as the process lives. */
    private array $hints = [];

    /**
     * @param list<string> $origins The site's addresses as browsers see them, such as `https://example.org`; emails link
     *   to the first. Over `http://` a site can only be on one's own machine.
     * @param list<string> $proxies Addresses of proxies in front of the site; from these alone `X-Real-IP` is taken.
     * @param \Closure(Page, string): string|null $render Draws a page as the site looks; each form has to send the text
     *   back in a field `csrf`.
     * @param \Closure(AuthError): void|null $log Takes what an operator should see.
     */
    public function __construct(
        public readonly string $name,
        private readonly array $origins,
        public readonly Client $client,
        private readonly array $proxies = [],
        private readonly ?\Closure $render = null,
        private readonly ?\Closure $log = null,
    ) {
        $this->isSecure = self::isSecure($origins);
        $this->csrfKeys = $client->keys->derived('csrf');
        foreach (Routes::OWN as $path) {
            $this->guard($path);
        }
    }

    /**
     * Shows what lies at a path, and below it, only to whoever is logged in; with one of these roles; to whom the policy
     * permits an action on a kind of item of theirs; or, instead of all that, to an API key that is good for it. All
     * guards of a path hold.
     *
     * @param list<string> $roles
     * @param array{string, string}|null $may
     * @param array{string, string}|null $key
     */
    public function guard(string $path, array $roles = [], ?array $may = null, ?array $key = null): void
    {
        $this->guards[] = new Guard($path, $roles, $may, $key);
    }

    /**
     * Looks at the request that PHP answers just now. What is a page of accounts is answered here, and so is whoever may
     * not go on; then the script ends. All others are the program's own.
     */
    public function enter(): Visit
    {
        $response = $this->handle(Request::fromGlobals(), $visit);
        $visit->onCookie(fn (string $cookie) => header("Set-Cookie: $cookie", false));
        if ($response) {
            $response->send();
            exit;
        }

        return $visit;
    }

    /** Ends the script with a refusal, unless this is for whoever is here: the check of one script, in its own code. */
    public function require(Visit $visit, array $roles = [], ?array $may = null): void
    {
        $response = $this->refusal($visit, $roles, $may);
        if ($response) {
            $response->send();
            exit;
        }
    }

    /**
     * What to answer; null if that is for the program. For whoever has requests of their own, such as PSR-7's.
     *
     * @param-out Visit $visit
     */
    public function handle(Request $request, ?Visit &$visit = null): ?Response
    {
        $auth = $this->client->at($this->clientAddress($request), $request->header('user-agent') ?? '');
        $visit = $here = new Visit($request, $auth, $this->csrfKeys, $this->isSecure);

        return $this->orFailed(fn () => $this->answer($here));
    }

    /**
     * What to answer instead, if this is not for whoever is here.
     *
     * @param list<string> $roles
     * @param array{string, string}|null $may
     */
    public function refusal(Visit $visit, array $roles = [], ?array $may = null): ?Response
    {
        return $this->orFailed(
            fn () => $visit->isLoggedIn() ? $this->check($visit, [new Guard('', $roles, $may)]) : $this->toLogin($visit),
        );
    }

    /** A page of the site, for an email. */
    public function address(string $path): string
    {
        return $this->origins[0] . $path;
    }

    /** The end user's address. */
    public function clientAddress(Request $request): string
    {
        $peer = self::withoutPrefix($request->peer);
        $told = self::withoutPrefix(trim($request->header('x-real-ip') ?? ''));
        $isTold = in_array($peer, $this->proxies, true) && filter_var($told, FILTER_VALIDATE_IP);

        return $isTold ? $told : $peer;
    }

    /** A page with its token. */
    public function show(Visit $visit, Page $page, int $status = 200): Response
    {
        return Response::html($status, $this->drawn($page, $visit->csrfToken()));
    }

    private function answer(Visit $visit): ?Response
    {
        $request = $visit->request;
        $route = Routes::find($request->path);
        // Whoever is to log in has to see the page for that, also where the whole site is guarded.
        $isOpen = $route && !in_array($request->path, Routes::OWN, true);
        $readings = $request->readings();
        $covers = fn (Guard $guard): bool => !$isOpen && $guard->covers($readings);
        $guards = array_values(array_filter($this->guards, $covers));
        $byKey = array_filter(array_column($guards, 'key'));
        if ($byKey) {
            // A key is nobody who is logged in, so it does not pass a guard that wants somebody.
            return count($byKey) === count($guards) ? $this->checkKey($visit, $byKey) : $this->mayNot();
        }
        if (!in_array($request->method, self::SAFE, true) && $visit->isForged($this->origins)) {
            return $this->said(403, 'Please go back, reload the page, and try again.');
        }
        $refusal = $this->look($visit, $guards);
        if ($refusal || !$route) {
            return $refusal;
        }
        if (!in_array($request->method, ['GET', 'HEAD', 'POST'], true)) {
            return $this->said(405, 'This page knows only GET and POST.');
        }

        return $route($this, $visit);
    }

    /** @param list<Guard> $guards */
    private function look(Visit $visit, array $guards): ?Response
    {
        $token = $visit->sessionToken;
        if ($token === null) {
            return $guards ? $this->toLogin($visit) : null;
        }
        $who = Calls::sessionInfo($token);
        $hint = $this->hints[$token] ?? null;
        $access = $hint ? self::accessOf($hint, $guards) : [];
        $asked = $visit->auth->together([$who, ...$access]);
        try {
            $visit->session = $asked->get($who)->sessionInfo;
        } catch (Refused) {
            unset($this->hints[$token]);
            $visit->forget();

            return $guards ? $this->toLogin($visit) : null;
        }
        if (!$guards) {
            return null;
        }
        if (!$visit->isLoggedIn()) {
            return $this->toLogin($visit);
        }
        // The first time, or once the role has changed, what was asked along was about somebody else.
        $fits = $hint === [$visit->session->userId, $visit->session->userRole];

        return $this->check($visit, $guards, $fits ? $asked : null, $access);
    }

    /**
     * Whether all of this is for whoever is logged in.
     *
     * @param list<Guard> $guards
     * @param list<Call> $access
     */
    private function check(Visit $visit, array $guards, ?Batch $asked = null, array $access = []): ?Response
    {
        foreach ($guards as $guard) {
            if ($guard->roles && !$visit->hasRole(...$guard->roles)) {
                return $this->mayNot();
            }
        }
        if (!$asked) {
            $who = [$visit->session->userId, $visit->session->userRole];
            $access = self::accessOf($who, $guards);
            $asked = $access ? $visit->auth->together($access) : null;
            $this->remember($visit->sessionToken ?? '', $who);
        }
        try {
            foreach ($access as $call) {
                $asked?->get($call);
            }
        } catch (Refused) {
            return $this->mayNot();
        }

        return null;
    }

    /** @param array{int, string} $who */
    private function remember(#[\SensitiveParameter] string $token, array $who): void
    {
        while (count($this->hints) >= self::HINTS_MAX) {
            unset($this->hints[array_key_first($this->hints)]);
        }
        $this->hints[$token] = $who;
    }

    /**
     * @param array{int, string} $who
     * @param list<Guard> $guards
     * @return list<Call>
     */
    private static function accessOf(array $who, array $guards): array
    {
        return array_map(fn (array $may) => Calls::userCheckAccess(
            userId: $who[0],
            userRole: $who[1],
            action: $may[0],
            targetName: $may[1],
            targetOwner: $who[0],
            targetVisibility: 'private',
            targetSharedwith: null,
        ), array_values(array_filter(array_column($guards, 'may'))));
    }

    /** @param array<array{string, string}> $wanted */
    private function checkKey(Visit $visit, array $wanted): ?Response
    {
        if (!preg_match('/\Abearer +(\S+) *\z/i', $visit->request->header('authorization') ?? '', $parts)) {
            return self::plain(401, "an API key is missing\n", [['WWW-Authenticate', 'Bearer']]);
        }
        $checks = array_map(fn (array $one) => Calls::apikeyCheck($parts[1], $one[0], $one[1]), array_values($wanted));
        $answers = $visit->auth->together($checks);
        try {
            foreach ($checks as $check) {
                $visit->keyOwner = $answers->get($check)->userId;
            }
        } catch (Refused $refused) {
            $isKnown = in_array($refused->reason, self::KEY_IS_KNOWN, true);

            return self::plain($isKnown ? 403 : 401, "the API key is not good for this\n");
        }
        // What comes with a key is done for its owner, and for no cookie.
        $visit->sessionToken = null;

        return null;
    }

    private function toLogin(Visit $visit): Response
    {
        $onward = $visit->request->method === 'GET' ? $visit->request->path : '/';

        return Response::to('/login?next=' . str_replace('%2F', '/', rawurlencode($onward)));
    }

    private function mayNot(): Response
    {
        return $this->said(403, 'You may not see this page.');
    }

    /** @param list<array{string, string}> $headers */
    private function said(int $status, string $message, array $headers = []): Response
    {
        return Response::html($status, $this->drawn(new Page('message', $this->name, [$message]), ''), $headers);
    }

    private function drawn(Page $page, string $csrf): string
    {
        return $this->render ? ($this->render)($page, $csrf) : $page->draw($csrf);
    }

    /** @param list<array{string, string}> $headers */
    private static function plain(int $status, string $body, array $headers = []): Response
    {
        return new Response($status, $body, [['Content-Type', 'text/plain; charset=utf-8'], ...$headers]);
    }

    /** @param \Closure(): ?Response $run */
    private function orFailed(\Closure $run): ?Response
    {
        try {
            return $run();
        } catch (AuthError $error) {
            return $this->failed($error);
        }
    }

    /** What an end user sees of an error. */
    public function failed(AuthError $error): Response
    {
        if ($error instanceof Refused) {
            return $this->said(403, implode(' ', $error->messages));
        }
        if ($error instanceof OverLimit) {
            return $this->said(429, 'Please wait a moment, and try again.', [self::wait($error->retryAfter)]);
        }
        $this->log ? ($this->log)($error) : error_log("authnzerver: {$error->getMessage()}");
        if ($error instanceof Unavailable) {
            $wait = self::wait($error->retryAfter);

            return $this->said(503, 'This does not work for now. Please try again soon.', [$wait]);
        }

        return $this->said(500, 'This does not work.');
    }

    /** @return array{string, string} */
    private static function wait(?float $seconds): array
    {
        return ['Retry-After', (string) max(1, (int) $seconds)];
    }

    /** An IPv4 address as it looks on a socket that takes both kinds. */
    private static function withoutPrefix(string $address): string
    {
        return preg_replace('/\A::ffff:(?=\d+\.)/i', '', $address);
    }

    /**
     * Whether a site is reached over HTTPS; if not, it must be on this very machine.
     *
     * @param list<string> $origins
     */
    private static function isSecure(array $origins): bool
    {
        $isHttps = fn (string $one): bool => preg_match('/\Ahttps:\/\/[a-z0-9.:\[\]-]+\z/', $one) === 1;
        $isHere = fn (string $one): bool => preg_match('/\Ahttp:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?\z/', $one) === 1;
        if ($origins && array_filter($origins, $isHttps) === $origins) {
            return true;
        }
        if ($origins && array_filter($origins, $isHere) === $origins) {
            return false;
        }
        throw new \InvalidArgumentException(
            "a site's origins are https://…, or http://127.0.0.1:PORT for one's own machine: sessions would be seen",
        );
    }
}
