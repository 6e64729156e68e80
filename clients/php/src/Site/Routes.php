<?php

declare(strict_types=1);

namespace Authnzerver\Site;

use Authnzerver\Refused;

/**
 * The pages with which users come in and get out, and which page is where.
 *
 * @internal
 */
final class Routes
{
    /** Those that only somebody who is logged in can see. */
    public const OWN = ['/password', '/email', '/new-address', '/sessions', '/keys'];

    /** @return (\Closure(Site, Visit): Response)|null */
    public static function find(string $path): ?\Closure
    {
        return match ($path) {
            '/signup' => self::signup(...),
            '/verify' => self::verify(...),
            '/login' => self::login(...),
            '/login-link' => self::loginLink(...),
            '/logout' => self::logout(...),
            '/forgot' => self::forgot(...),
            '/reset' => self::reset(...),
            '/password' => OwnRoutes::password(...),
            '/email' => OwnRoutes::email(...),
            '/new-address' => OwnRoutes::newAddress(...),
            '/old-address' => OwnRoutes::oldAddress(...),
            '/sessions' => OwnRoutes::sessions(...),
            '/keys' => OwnRoutes::keys(...),
            default => null,
        };
    }

    /** Signs somebody up. */
    private static function signup(Site $site, Visit $visit): Response
    {
        $about = ['link' => $site->address('/verify'), 'siteName' => $site->name, 'language' => $visit->language];
        if ($visit->request->method === 'POST' && isset($visit->request->form['resend'])) {
            $answer = $visit->auth->signupResend($visit->request->form['email'] ?? '', ...$about);

            return self::sentSignup($site, $visit, $answer->next);
        }
        $password = Input::of('first_password', ['hint' => $site->passwordHint]);
        $form = new Form(Texts::SIGN_UP, [Input::of('full_name'), Input::of('email'), $password]);
        $page = new Page('signup', Texts::SIGN_UP, forms: [$form], links: ['/login' => Texts::LOG_IN]);

        return Flow::filled($site, $visit, $page, function (array $form) use ($site, $visit, $about): Response {
            $given = [$form['full_name'] ?? '', $form['email'] ?? '', $form['new_password'] ?? ''];
            $answer = $visit->auth->signupStart(...$given, ...$about);

            return self::sentSignup($site, $visit, $answer->next);
        });
    }

    private static function sentSignup(Site $site, Visit $visit, string $next): Response
    {
        $address = Flow::typedFor($visit);
        $typed = new Form(Texts::VERIFY, [$address, Input::of('typed_code')], '/verify');
        $again = new Form(Texts::SEND_AGAIN, [$address, Input::hidden('resend', '1')], '/signup');

        return Flow::sent($site, $visit, $next, $typed, [$again]);
    }

    /** Verifies the address of whoever got the code. */
    private static function verify(Site $site, Visit $visit): Response
    {
        $page = new Page('verify', Texts::VERIFY_EMAIL, forms: [Flow::codeForm($visit, Texts::VERIFY)]);

        return Flow::filled($site, $visit, $page, function () use ($visit): Response {
            $answer = $visit->auth->signupFinish(...Flow::code($visit));

            return Response::to($answer->next === 'reset' ? '/forgot?said=mixed' : '/login?said=verified');
        });
    }

    /** Logs somebody in, with another session than before. */
    private static function login(Site $site, Visit $visit): Response
    {
        $next = ($visit->request->query['next'] ?? '') ?: $visit->request->form['next'] ?? '/';
        $inputs = [Input::of('email'), Input::of('password'), Input::of('remember')];
        $form = new Form(Texts::LOG_IN, [...$inputs, Input::hidden('next', Response::ownPath($next))]);
        $links = ['/signup' => Texts::SIGN_UP, '/forgot' => Texts::FORGOT];
        $links += $site->hasLoginLink ? ['/login-link' => Texts::LOG_IN_BY_EMAIL] : [];
        $page = new Page('login', Texts::LOG_IN, forms: [$form], links: $links);

        return Flow::filled($site, $visit, $page, function (array $form) use ($site, $visit): Response {
            $given = ['email' => $form['email'] ?? '', 'password' => $form['password'] ?? ''];

            return self::enter($site, $visit, fn (array $about) => $visit->auth->login(...$given, ...$about));
        });
    }

    /**
     * Logs in, takes over what was stored about the visitor, and leads on.
     *
     * @param \Closure(array<string, mixed>): \Authnzerver\Answer $request
     */
    private static function enter(Site $site, Visit $visit, \Closure $request): Response
    {
        $form = $visit->request->form;
        $remember = isset($form['remember']);
        // What one user stored is not the next one's.
        $stored = $visit->isLoggedIn() ? [] : $visit->stored();
        try {
            $answer = $request([
                'sessionToken' => $visit->sessionToken,
                'remember' => $remember,
                'days' => $site->loginDays($remember),
                'extraInfoJson' => ['remember' => $remember] + $stored,
            ]);
        } catch (Refused $refused) {
            // The visitor's session may have ended: a cookie that is good for nothing is in nobody's way, one that is
            // kept would be asked about each time.
            if ($visit->sessionToken !== null) {
                $visit->forget();
            }
            throw $refused;
        }
        if ($answer->secondFactorDue) {
            // It does not count before a second proof, and there is no page for one.
            self::end($visit, $answer->sessionToken);
            $visit->forget();

            return $site->said($visit, 403, Texts::SECOND_FACTOR);
        }
        $visit->forgetVisitor();
        $visit->start($answer->sessionToken, $answer->expires, $remember);

        return Response::to(Response::ownPath($form['next'] ?? '/'));
    }

    /** Logs somebody in by an email. */
    private static function loginLink(Site $site, Visit $visit): Response
    {
        if (!$site->hasLoginLink) {
            return $site->said($visit, 404, Texts::NO_SUCH_PAGE);
        }
        if (($visit->request->query['code'] ?? '') !== '' || isset($visit->request->form['code'])) {
            $form = Flow::codeForm($visit, Texts::LOG_IN, Input::of('remember'));
            $enter = fn (array $about) => $visit->auth->loginLinkFinish(...Flow::code($visit), ...$about);
            $then = fn (): Response => self::enter($site, $visit, $enter);

            return Flow::filled($site, $visit, new Page('login-link', Texts::LOG_IN, forms: [$form]), $then);
        }
        $form = new Form(Texts::SEND, [Input::of('email')]);
        $page = new Page('login-link', Texts::LOG_IN_BY_EMAIL, forms: [$form], links: ['/login' => Texts::LOG_IN]);

        return Flow::filled($site, $visit, $page, function (array $form) use ($site, $visit): Response {
            $about = ['link' => $site->address('/login-link'), 'siteName' => $site->name, 'language' => $visit->language];
            $answer = $visit->auth->loginLinkStart($form['email'] ?? '', ...$about);
            $inputs = [Flow::typedFor($visit), Input::of('typed_code'), Input::of('remember')];

            return Flow::sent($site, $visit, $answer->next, new Form(Texts::LOG_IN, $inputs, '/login-link'));
        });
    }

    /** Ends the session. */
    private static function logout(Site $site, Visit $visit): Response
    {
        $page = new Page('logout', Texts::LOG_OUT, forms: [new Form(Texts::LOG_OUT)]);

        return Flow::filled($site, $visit, $page, function () use ($visit): Response {
            if ($visit->sessionToken !== null) {
                self::end($visit, $visit->sessionToken);
            }
            $visit->forget();

            return Response::to('/');
        });
    }

    /** Ends a session, unless it has ended already. */
    private static function end(Visit $visit, #[\SensitiveParameter] string $token): void
    {
        try {
            $visit->auth->sessionDelete($token);
        } catch (Refused) {
        }
    }

    /** Has a code for a new password sent. */
    private static function forgot(Site $site, Visit $visit): Response
    {
        $form = new Form(Texts::SEND, [Input::of('email')]);
        $page = new Page('forgot', Texts::FORGOT, forms: [$form], links: ['/login' => Texts::LOG_IN]);

        return Flow::filled($site, $visit, $page, function (array $form) use ($site, $visit): Response {
            $about = ['link' => $site->address('/reset'), 'siteName' => $site->name, 'language' => $visit->language];
            $answer = $visit->auth->resetStart($form['email'] ?? '', ...$about);
            $inputs = [Flow::typedFor($visit), Input::of('typed_code'), Input::of('new_password')];
            $typed = new Form(Texts::SET_PASSWORD, $inputs, '/reset');

            return Flow::sent($site, $visit, $answer->next, $typed, link: Texts::LINK_MAY_BE_SENT);
        });
    }

    /** Sets a new password. */
    private static function reset(Site $site, Visit $visit): Response
    {
        $password = Input::of('new_password', ['hint' => $site->passwordHint]);
        $form = Flow::codeForm($visit, Texts::SET_PASSWORD, $password);
        $page = new Page('reset', Texts::CHOOSE_PASSWORD, forms: [$form]);

        return Flow::filled($site, $visit, $page, function (array $form) use ($visit): Response {
            $visit->auth->resetFinish(...Flow::code($visit), newPassword: $form['new_password'] ?? '');

            return Response::to('/login?said=reset');
        });
    }
}
