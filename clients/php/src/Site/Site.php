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
    private const HOUR = 3600;
    private const DAY = 24 * self::HOUR;
    private const SAFE = ['GET', 'HEAD', 'OPTIONS', 'TRACE'];
    private const KEY_IS_KNOWN = ["action not within the API key's scopes", 'action not permitted'];

    private readonly bool $isSecure;
    /** @var list<string> */
    private readonly array $csrfKeys;
    /** @var list<Guard> */
    private array $guards = [];
    /** @var array<string, array{int, string}> Who sessions belonged to, for as long as the process lives. */
    private array $hints = [];
    /** @var non-empty-list<string> */
    private readonly array $languages;

    /**
     * @param list<string> $origins The site's addresses as browsers see them, such as `https://example.org`; emails link
     *   to the first. Over `http://` a site can only be on one's own machine.
     * @param list<string> $proxies Addresses of proxies in front of the site; from these alone `X-Real-IP` is taken.
     * @param \Closure(ShownPage): string|null $render Draws a page as the site looks: all of it, or what is around
     *   `$page->content()`.
     * @param \Closure(AuthError): void|null $log Takes what an operator should see.
     * @param string $language The language of the site, for whoever asks for none that it has.
     * @param array<string, array<string, string>> $texts By language, what the English texts are in it.
     * @param string $scopes What stands in the form for API keys.
     * @param bool $hasLoginLink Whether there is the page with which one logs in by email; the server needs
     *   `AUTHNZERVER_LOGINLINK`.
     * @param int $keepDays For how many days from the last visit sessions last, of those who want to be remembered.
     * @param list<string> $static Below these paths nobody is looked up.
     */
    public function __construct(
        public readonly string $name,
        private readonly array $origins,
        public readonly Client $client,
        private readonly array $proxies = [],
        private readonly ?\Closure $render = null,
        private readonly ?\Closure $log = null,
        string $language = 'en',
        private readonly array $texts = [],
        public readonly string $passwordHint = Texts::PASSWORD_HINT,
        public readonly string $scopes = '',
        public readonly bool $hasLoginLink = false,
        private readonly int $keepDays = 0,
        private readonly array $static = [],
    ) {
        $this->languages = [$language, ...array_map('strval', array_keys($texts))];
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
        $this->showErrors($visit);

        return $visit;
    }

    /** Has the visitor see what the program's own questions had no answer to, where it does not catch that itself. */
    private function showErrors(Visit $visit): void
    {
        $before = set_exception_handler(null);
        set_exception_handler(function (\Throwable $error) use ($visit, $before): void {
            if ($error instanceof AuthError && !headers_sent()) {
                // Instead of what the program has said by then.
                while (ob_get_level() > 0) {
                    ob_end_clean();
                }
                $this->failed($visit, $error)->send();
            } elseif ($before) {
                $before($error);
            } else {
                restore_exception_handler();
                throw $error;
            }
        });
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
        $language = Language::preferred($request->header('accept-language') ?? '', $this->languages);
        $texts = $this->texts[$language] ?? [];
        $visit = $here = new Visit($request, $auth, $this->csrfKeys, $this->isSecure, $language, $texts);

        return $this->orFailed($here, fn () => $this->answer($here));
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
            $visit,
            fn () => $visit->isLoggedIn() ? $this->check($visit, [new Guard('', $roles, $may)]) : Response::toLogin($visit->request),
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

    /** A page with its token, in the visitor's language. */
    public function show(Visit $visit, Page $page, int $status = 200): Response
    {
        $said = $visit->request->method === 'GET' ? Texts::SAID[$visit->request->query['said'] ?? ''] ?? null : null;
        $shown = new ShownPage($said ? $page->with(['messages' => [$said, ...$page->messages]]) : $page, $visit);

        return Response::html($status, $this->render ? ($this->render)($shown) : $shown->draw());
    }

    /**
     * A page that says something, most likely no.
     *
     * @param list<array{string, string}> $headers
     */
    public function said(Visit $visit, int $status, string $message, array $headers = []): Response
    {
        $response = $this->show($visit, new Page('message', $this->name, [$message], isError: $status >= 400), $status);

        return new Response($status, $response->body, [...$response->headers, ...$headers]);
    }

    /** For how many days a login holds; null for as long as the server says. */
    public function loginDays(bool $remember): ?int
    {
        return $remember && $this->keepDays ? $this->keepDays : null;
    }

    private function answer(Visit $visit): ?Response
    {
        $request = $visit->request;
        if (in_array($request->method, ['GET', 'HEAD'], true) && $this->isStatic($request)) {
            return null;
        }
        $route = Routes::find($request->path);
        // Whoever is to log in has to see the page for that, also where the whole site is guarded.
        $isOpen = $route && !in_array($request->path, Routes::OWN, true);
        $readings = $request->readings();
        $covers = fn (Guard $guard): bool => !$isOpen && $guard->covers($readings);
        $guards = array_values(array_filter($this->guards, $covers));
        $byKey = array_filter(array_column($guards, 'key'));
        if ($byKey) {
            // A key is nobody who is logged in, so it does not pass a guard that wants somebody.
            return count($byKey) === count($guards) ? $this->checkKey($visit, $byKey) : $this->mayNot($visit);
        }
        if (!in_array($request->method, self::SAFE, true) && $visit->isForged($this->origins)) {
            return $this->said($visit, 403, Texts::FORGED);
        }
        $refusal = $this->look($visit, $guards);
        if ($refusal || !$route) {
            return $refusal;
        }
        if (!in_array($request->method, ['GET', 'HEAD', 'POST'], true)) {
            return $this->said($visit, 405, Texts::METHODS);
        }

        return $route($this, $visit);
    }

    /** Whether it lies there however the path is read, so that no guard is got around. */
    private function isStatic(Request $request): bool
    {
        foreach ($request->readings() as $reading) {
            $isIn = fn (string $folder): bool => str_starts_with($reading, rtrim(strtolower($folder), '/') . '/');
            if (!array_filter($this->static, $isIn)) {
                return false;
            }
        }

        return true;
    }

    /** @param list<Guard> $guards */
    private function look(Visit $visit, array $guards): ?Response
    {
        $token = $visit->sessionToken;
        if ($token === null) {
            return $guards ? Response::toLogin($visit->request) : null;
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

            return $guards ? Response::toLogin($visit->request) : null;
        }
        $this->prolong($visit);
        if (!$guards) {
            return null;
        }
        if (!$visit->isLoggedIn()) {
            return Response::toLogin($visit->request);
        }
        // The first time, or once the role has changed, what was asked along was about somebody else.
        $fits = $hint === [$visit->session->userId, $visit->session->userRole];

        return $this->check($visit, $guards, $fits ? $asked : null, $access);
    }

    /** Has the session of somebody who wants to be remembered last from now on, once an hour. */
    private function prolong(Visit $visit): void
    {
        $isRemembered = $visit->isLoggedIn() && ($visit->stored()['remember'] ?? null) === true;
        if (!$this->keepDays || !$isRemembered) {
            return;
        }
        if ($visit->session->expires->getTimestamp() - time() > $this->keepDays * self::DAY - self::HOUR) {
            return;
        }
        try {
            $answer = $visit->auth->sessionTouch($visit->sessionToken, days: $this->keepDays);
        } catch (Refused) {
            return;
        }
        // The operator may allow no more; then there is nothing to tell the browser either.
        if ($answer->expires > $visit->session->expires) {
            $visit->keep($answer->expires);
        }
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
                return $this->mayNot($visit);
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
            return $this->mayNot($visit);
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

    private function mayNot(Visit $visit): Response
    {
        return $this->said($visit, 403, Texts::FORBIDDEN);
    }

    /** @param list<array{string, string}> $headers */
    private static function plain(int $status, string $body, array $headers = []): Response
    {
        return new Response($status, $body, [['Content-Type', 'text/plain; charset=utf-8'], ...$headers]);
    }

    /** @param \Closure(): ?Response $run */
    private function orFailed(Visit $visit, \Closure $run): ?Response
    {
        try {
            return $run();
        } catch (AuthError $error) {
            return $this->failed($visit, $error);
        }
    }

    /** What an end user sees of an error. */
    public function failed(Visit $visit, AuthError $error): Response
    {
        if ($error instanceof Refused) {
            return $this->said($visit, 403, implode(' ', $error->messages));
        }
        if ($error instanceof OverLimit) {
            return $this->said($visit, 429, Texts::WAIT, [self::wait($error->retryAfter)]);
        }
        $this->log ? ($this->log)($error) : error_log("authnzerver: {$error->getMessage()}");
        if ($error instanceof Unavailable) {
            return $this->said($visit, 503, Texts::UNAVAILABLE, [self::wait($error->retryAfter)]);
        }

        return $this->said($visit, 500, Texts::UNKNOWN_ERROR);
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
