<?php

declare(strict_types=1);

namespace Authnzerver\Site;

use Authnzerver\Refused;

/**
 * The pages with which users look after their accounts.
 *
 * @internal
 */
final class Routes
{
    /** Those that only somebody who is logged in can see. */
    public const OWN = ['/password', '/sessions', '/keys'];
    private const ALL = ['/signup', '/verify', '/login', '/logout', '/forgot', '/reset', ...self::OWN];

    /** @return (\Closure(Site, Visit): Response)|null */
    public static function find(string $path): ?\Closure
    {
        return in_array($path, self::ALL, true) ? self::{substr($path, 1)}(...) : null;
    }

    /** Signs somebody up. */
    private static function signup(Site $site, Visit $visit): Response
    {
        $name = new Input('full_name', 'Name', autocomplete: 'name');
        $form = new Form('Sign up', [$name, self::email(), self::newPassword()]);
        $page = new Page('signup', 'Sign up', forms: [$form], links: ['/login' => 'Log in']);

        return self::filled($site, $visit, $page, function (array $form) use ($site, $visit): Response {
            $answer = $visit->auth->signupStart(
                fullName: $form['full_name'] ?? '',
                email: $form['email'] ?? '',
                password: $form['new_password'] ?? '',
                link: $site->address('/verify'),
                siteName: $site->name,
            );

            $typed = new Form('Verify', [self::typedFor($visit), self::typedCode()], '/verify');

            return self::sent($site, $visit, $answer->next, $typed, 'Open the link in the e-mail that we have sent you.');
        });
    }

    /** Verifies the address of whoever got the code. */
    private static function verify(Site $site, Visit $visit): Response
    {
        $form = new Form('Verify', self::codeInputs($visit));
        $page = new Page('verify', 'Verify your address', forms: [$form]);

        return self::filled($site, $visit, $page, function (array $form) use ($visit): Response {
            $answer = $visit->auth->signupFinish(code: $form['code'] ?? '', email: $form['email'] ?? null);

            return Response::to($answer->next === 'reset' ? '/forgot' : '/login');
        });
    }

    /** Logs somebody in, with another session than before. */
    private static function login(Site $site, Visit $visit): Response
    {
        $remember = new Input('remember', 'Remember me', 'checkbox', '1');
        $onward = Input::hidden('next', Response::ownPath($visit->request->query['next'] ?? '/'));
        $form = new Form('Log in', [self::email(), self::oldPassword(), $remember, $onward]);
        $links = ['/signup' => 'Sign up', '/forgot' => 'Forgot your password?'];

        return self::filled($site, $visit, new Page('login', 'Log in', forms: [$form], links: $links), self::enter($visit));
    }

    private static function enter(Visit $visit): \Closure
    {
        return function (array $form) use ($visit): Response {
            $remember = isset($form['remember']);
            try {
                $answer = $visit->auth->login(
                    email: $form['email'] ?? '',
                    password: $form['password'] ?? '',
                    sessionToken: $visit->sessionToken,
                    remember: $remember,
                );
            } catch (Refused $refused) {
                // The visitor's session has ended in any case.
                if ($visit->sessionToken !== null) {
                    $visit->forget();
                }
                throw $refused;
            }
            $visit->start($answer->sessionToken, $answer->expires, $remember);
            $visit->forgetVisitor();

            return Response::to(Response::ownPath($form['next'] ?? '/'));
        };
    }

    /** Ends the session. */
    private static function logout(Site $site, Visit $visit): Response
    {
        $page = new Page('logout', 'Log out', forms: [new Form('Log out')]);

        return self::filled($site, $visit, $page, function () use ($visit): Response {
            try {
                if ($visit->sessionToken !== null) {
                    $visit->auth->sessionDelete($visit->sessionToken);
                }
            } catch (Refused) {
                // It had ended already.
            }
            $visit->forget();

            return Response::to('/');
        });
    }

    /** Has a code for a new password sent. */
    private static function forgot(Site $site, Visit $visit): Response
    {
        $page = new Page('forgot', 'Forgot your password?', forms: [new Form('Send', [self::email()])]);

        return self::filled($site, $visit, $page, function (array $form) use ($site, $visit): Response {
            $link = $site->address('/reset');
            $answer = $visit->auth->resetStart($form['email'] ?? '', link: $link, siteName: $site->name);
            $inputs = [self::typedFor($visit), self::typedCode(), self::newPassword()];
            $message = 'If there is an account with this address, an e-mail with a link is on its way.';

            return self::sent($site, $visit, $answer->next, new Form('Set password', $inputs, '/reset'), $message);
        });
    }

    /** Sets a new password. */
    private static function reset(Site $site, Visit $visit): Response
    {
        $form = new Form('Set password', [...self::codeInputs($visit), self::newPassword()]);
        $page = new Page('reset', 'Choose a new password', forms: [$form]);

        return self::filled($site, $visit, $page, function (array $form) use ($visit): Response {
            $visit->auth->resetFinish(
                code: $form['code'] ?? '',
                newPassword: $form['new_password'] ?? '',
                email: $form['email'] ?? null,
            );

            return Response::to('/login');
        });
    }

    /** Changes the password of whoever is logged in. */
    private static function password(Site $site, Visit $visit): Response
    {
        $form = new Form('Change password', [self::oldPassword(), self::newPassword()]);
        $page = new Page('password', 'Change your password', forms: [$form]);

        return self::filled($site, $visit, $page, function (array $form) use ($visit): Response {
            $visit->auth->userChangepass(
                userId: $visit->session->userId,
                sessionToken: $visit->sessionToken,
                fullName: htmlspecialchars_decode($visit->session->fullName ?? '', ENT_QUOTES | ENT_HTML5),
                email: $visit->session->email,
                currentPassword: $form['password'] ?? '',
                newPassword: $form['new_password'] ?? '',
            );

            return Response::to('/sessions');
        });
    }

    /** Lists the sessions of whoever is logged in, and ends them. */
    private static function sessions(Site $site, Visit $visit): Response
    {
        $form = $visit->request->form;
        if ($visit->request->method === 'POST' && ($form['others'] ?? '') !== '') {
            $visit->auth->sessionDeleteUserid($visit->sessionToken, $visit->session->userId, keepCurrentSession: true);

            return Response::to('/sessions');
        }
        if ($visit->request->method === 'POST') {
            $visit->auth->sessionEnd($visit->sessionToken, sessionId: $form['session_id'] ?? '');

            return Response::to('/sessions');
        }
        $rows = [];
        foreach ($visit->auth->sessionList($visit->sessionToken)->sessions as $one) {
            $here = $one->isCurrent ? ' (this device)' : '';
            $since = $one->created->format('Y-m-d H:i');
            $text = "$one->userAgent, $one->ipAddress, since $since UTC$here";
            $rows[] = [$text, new Form('End', [Input::hidden('session_id', $one->sessionId)])];
        }
        $others = new Form('End all others', [Input::hidden('others', '1')]);

        return $site->show($visit, new Page('sessions', 'Your sessions', forms: [$others], rows: $rows));
    }

    /** Lists the API keys of whoever is logged in, makes new ones, and ends them. */
    private static function keys(Site $site, Visit $visit): Response
    {
        $form = $visit->request->form;
        $messages = [];
        if ($visit->request->method === 'POST' && ($form['key_id'] ?? '') !== '') {
            $visit->auth->apikeyEnd($visit->sessionToken, keyId: $form['key_id']);

            return Response::to('/keys');
        }
        if ($visit->request->method === 'POST') {
            $scopes = preg_split('/\s+/', $form['scopes'] ?? '', flags: PREG_SPLIT_NO_EMPTY);
            try {
                $name = $form['name'] ?? '';
                $made = $visit->auth->apikeyIssue($visit->sessionToken, name: $name, scopes: $scopes, expiresDays: 365);
                $messages = ["Your new key, shown this once: $made->apikey"];
            } catch (Refused $refused) {
                $messages = $refused->messages;
            }
        }
        $rows = [];
        foreach ($visit->auth->apikeyList($visit->sessionToken)->apikeys as $one) {
            $text = ($one->name ?: $one->keyId) . ': ' . implode(' ', $one->scopes ?? []);
            $rows[] = [$text, new Form('Revoke', [Input::hidden('key_id', $one->keyId)])];
        }
        $new = new Form('Make a key', [new Input('name', 'Name'), new Input('scopes', 'Scopes, such as view:dataset')]);

        return $site->show($visit, new Page('keys', 'Your API keys', $messages, [$new], $rows));
    }

    /**
     * Shows a page and, once its form is sent, does what it is for; shows why where that is refused.
     *
     * @param \Closure(array<string, string>): Response $then
     */
    private static function filled(Site $site, Visit $visit, Page $page, \Closure $then): Response
    {
        if ($visit->request->method !== 'POST') {
            return $site->show($visit, $page);
        }
        try {
            return $then($visit->request->form);
        } catch (Refused $refused) {
            return $site->show($visit, $page->saying($refused->messages), 422);
        }
    }

    /** Says what to do with the email that is on its way: open its link or, if the server sends codes, type it. */
    private static function sent(Site $site, Visit $visit, string $next, Form $typed, string $message): Response
    {
        $messages = [$next === 'code' ? 'Type the code from the e-mail that we have sent you.' : $message];
        $forms = $next === 'code' ? [$typed] : [];

        return $site->show($visit, new Page('sent', 'Look at your e-mail', $messages, $forms));
    }

    /**
     * The code of a link, which is sent by a button: fetching the page alone does nothing, for mail programs do. One that
     * was typed is asked for again, where it was wrong.
     *
     * @return list<Input>
     */
    private static function codeInputs(Visit $visit): array
    {
        $code = $visit->request->query['code'] ?? $visit->request->form['code'] ?? '';
        $isTyped = ($visit->request->form['email'] ?? '') !== '';

        return $isTyped ? [self::typedFor($visit), self::typedCode()] : [Input::hidden('code', $code)];
    }

    private static function typedFor(Visit $visit): Input
    {
        return Input::hidden('email', $visit->request->form['email'] ?? '');
    }

    private static function typedCode(): Input
    {
        return new Input('code', 'Code from the e-mail', autocomplete: 'one-time-code');
    }

    private static function email(): Input
    {
        return new Input('email', 'E-mail address', 'email', autocomplete: 'username');
    }

    private static function oldPassword(): Input
    {
        return new Input('password', 'Password', 'password', autocomplete: 'current-password');
    }

    private static function newPassword(): Input
    {
        return new Input('new_password', 'New password', 'password', autocomplete: 'new-password');
    }
}
