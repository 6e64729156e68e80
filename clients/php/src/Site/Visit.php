<?php

declare(strict_types=1);

namespace Authnzerver\Site;

use Authnzerver\Call;
use Authnzerver\Caller;
use Authnzerver\Calls;
use Authnzerver\Refused;
use Authnzerver\Types\SessionAndOwner;
use Authnzerver\Types\UserCheckAccessAnswer;

/** What the site knows about the request that it answers. */
final class Visit
{
    private const ANONYMOUS = 2;
    // For how long something is stored about somebody who does not log in.
    private const VISITOR_DAYS = 7;
    // What the server forgets a stored value for.
    private const DELETE = '__delete__';

    public ?string $sessionToken;
    /** The live session and its owner; null without one. */
    public ?SessionAndOwner $session = null;
    /** Whose API key it was, where a guard asks for one. */
    public ?int $keyOwner = null;
    /** @var list<string> `Set-Cookie` headers of the answer. */
    private array $cookies = [];
    private ?\Closure $onCookie = null;
    private ?string $visitor;

    /**
     * @param Caller $auth Asks on behalf of whoever is here.
     * @param list<string> $csrfKeys
     * @param string $language The language of this visitor, of those that the site has.
     * @param array<string, string> $texts What the English texts are in it.
     * @internal
     */
    public function __construct(
        public readonly Request $request,
        public readonly Caller $auth,
        private readonly array $csrfKeys,
        private readonly bool $isSecure,
        public readonly string $language = 'en',
        private readonly array $texts = [],
    ) {
        $this->sessionToken = $request->cookie($this->cookieName('session'));
        $this->visitor = $request->cookie($this->cookieName('visitor'));
    }

    /** Whether somebody is logged in. */
    public function isLoggedIn(): bool
    {
        return $this->userId() !== null;
    }

    /** Who is logged in. */
    public function userId(): ?int
    {
        return $this->session && $this->session->userId !== self::ANONYMOUS ? $this->session->userId : null;
    }

    /** What to call whoever is logged in, as plain text. */
    public function name(): string
    {
        return $this->isLoggedIn() ? self::plain($this->session->fullName ?: $this->session->email) : '';
    }

    /** The role of whoever is here. */
    public function role(): string
    {
        return $this->isLoggedIn() ? $this->session->userRole : 'anonymous';
    }

    /** Whether somebody with one of these roles is logged in. */
    public function hasRole(string ...$roles): bool
    {
        return $this->isLoggedIn() && in_array($this->role(), $roles, true);
    }

    /** A text in the language of this visitor; the text itself, where nobody has said. */
    public function text(string $text): string
    {
        return $this->texts[$text] ?? $text;
    }

    /**
     * What to ask, together with other calls, to learn whether the policy lets this visitor do something with an item.
     *
     * @param list<int> $sharedWith
     * @return Call<UserCheckAccessAnswer>
     */
    public function access(
        string $action,
        string $item,
        int $owner,
        string $visibility = 'private',
        array $sharedWith = [],
    ): Call {
        return Calls::userCheckAccess(
            userId: $this->userId() ?? self::ANONYMOUS,
            userRole: $this->role(),
            action: $action,
            targetName: $item,
            targetOwner: $owner,
            targetVisibility: $visibility,
            targetSharedwith: implode(',', $sharedWith) ?: null,
        );
    }

    /**
     * Whether the policy lets this visitor do something with an item. While the server cannot be asked, that is thrown.
     *
     * @param list<int> $sharedWith
     */
    public function may(
        string $action,
        string $item,
        int $owner,
        string $visibility = 'private',
        array $sharedWith = [],
    ): bool {
        try {
            $this->auth->ask($this->access($action, $item, $owner, $visibility, $sharedWith));
        } catch (Refused) {
            return false;
        }

        return true;
    }

    /**
     * What is stored in the session.
     *
     * @return array<string, mixed>
     */
    public function stored(): array
    {
        return is_array($this->session?->extraInfoJson) ? $this->session->extraInfoJson : [];
    }

    /**
     * Stores something in the session, or forgets it with null. Whoever has no session gets one for it, and nobody else
     * before they log in; a login takes over what was stored.
     *
     * @param array<string, mixed> $values
     */
    public function store(array $values): void
    {
        if ($this->session && $this->sessionToken !== null) {
            $changed = array_map(fn (mixed $value): mixed => $value ?? self::DELETE, $values);
            $this->auth->internalSessionEdit(targetSessionToken: $this->sessionToken, updateDict: $changed);
            $this->session = $this->auth->sessionInfo($this->sessionToken)->sessionInfo;

            return;
        }
        $stored = array_filter($values, fn (mixed $value): bool => $value !== null);
        if ($stored) {
            $made = $this->auth->sessionNew(userId: null, expires: self::VISITOR_DAYS, extraInfoJson: $stored);
            $this->session = $this->auth->sessionInfo($made->sessionToken)->sessionInfo;
            $this->start($made->sessionToken, $made->expires, remember: false);
        }
    }

    /** Another session from here on. Unless it is remembered, its cookie ends with the browser. */
    public function start(#[\SensitiveParameter] string $token, \DateTimeInterface $expires, bool $remember): void
    {
        $this->sessionToken = $token;
        $this->keep($remember ? $expires : null);
    }

    /**
     * Sets the session's cookie.
     *
     * @internal
     */
    public function keep(?\DateTimeInterface $expires): void
    {
        $age = $expires ? max(0, $expires->getTimestamp() - time()) : null;
        $this->setCookie('session', $this->sessionToken ?? '', $age);
    }

    /** No session any more. */
    public function forget(): void
    {
        [$this->sessionToken, $this->session] = [null, null];
        $this->setCookie('session', '', 0);
    }

    /**
     * Forms of before are not good any more.
     *
     * @internal
     */
    public function forgetVisitor(): void
    {
        if ($this->visitor !== null) {
            $this->visitor = null;
            $this->setCookie('visitor', '', 0);
        }
    }

    /**
     * For the hidden field `csrf` of a form, or the header `X-CSRF-Token`. It is bound to the session, or to a cookie
     * where there is none.
     */
    public function csrfToken(): string
    {
        if ($this->bound() === []) {
            $this->visitor = self::base64url(random_bytes(24));
            $this->setCookie('visitor', $this->visitor, null);
        }
        $nonce = self::base64url(random_bytes(12));

        return "$nonce." . hash_hmac('sha256', "$nonce {$this->bound()[0]}", $this->csrfKeys[0]);
    }

    /**
     * Whether what changes something was not sent by a page of ours.
     *
     * @param list<string> $origins
     */
    public function isForged(array $origins): bool
    {
        if (($this->request->header('sec-fetch-site') ?? 'same-origin') !== 'same-origin') {
            return true;
        }
        if (!in_array($this->request->header('origin') ?? $origins[0], $origins, true)) {
            return true;
        }
        $token = $this->request->header('x-csrf-token') ?? $this->request->form['csrf'] ?? '';
        if (!preg_match('/\A([A-Za-z0-9_-]{16})\.([0-9a-f]{64})\z/', $token, $parts)) {
            return true;
        }
        [, $nonce, $signature] = $parts;
        $isOurs = false;
        foreach ($this->csrfKeys as $key) {
            // A visitor may have got a session with the page that holds the form; a login ends their cookie.
            foreach ($this->bound() as $bound) {
                $isOurs = hash_equals(hash_hmac('sha256', "$nonce $bound", $key), $signature) || $isOurs;
            }
        }

        return !$isOurs;
    }

    /**
     * What is done with each cookie of the answer: those of before, and those that come.
     *
     * @param \Closure(string): void $run
     * @internal
     */
    public function onCookie(\Closure $run): void
    {
        array_map($run, $this->cookies);
        $this->onCookie = $run;
    }

    /** @return list<string> */
    private function bound(): array
    {
        $session = $this->sessionToken === null ? [] : ["session $this->sessionToken"];

        return $this->visitor === null ? $session : [...$session, "visitor $this->visitor"];
    }

    /** Over HTTP, which is for one's own machine alone, browsers do not all take the cookies of HTTPS. */
    private function cookieName(string $name): string
    {
        return ($this->isSecure ? '__Host-' : 'insecure-') . $name;
    }

    private function setCookie(string $name, #[\SensitiveParameter] string $value, ?int $age): void
    {
        $secure = $this->isSecure ? ' Secure;' : '';
        $lasts = $age === null ? '' : "; Max-Age=$age";
        $cookie = "{$this->cookieName($name)}=$value; Path=/;$secure HttpOnly; SameSite=Lax$lasts";
        $this->cookies[] = $cookie;
        if ($this->onCookie) {
            ($this->onCookie)($cookie);
        }
    }

    /**
     * A text that the server has escaped, as it was.
     *
     * @internal
     */
    public static function plain(string $text): string
    {
        return htmlspecialchars_decode($text, ENT_QUOTES | ENT_HTML5);
    }

    private static function base64url(#[\SensitiveParameter] string $bytes): string
    {
        return strtr(base64_encode($bytes), '+/', '-_');
    }
}
