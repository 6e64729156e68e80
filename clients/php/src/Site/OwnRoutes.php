<?php

declare(strict_types=1);

namespace Authnzerver\Site;

use Authnzerver\Refused;

/**
 * The pages with which those who are logged in look after their accounts.
 *
 * @internal
 */
final class OwnRoutes
{
    /** Changes the password of whoever is logged in. */
    public static function password(Site $site, Visit $visit): Response
    {
        $new = Input::of('new_password', ['hint' => $site->passwordHint]);
        $form = new Form(Texts::CHANGE_PASSWORD, [Input::of('current_password'), $new]);
        $page = new Page('password', Texts::CHANGE_YOUR_PASSWORD, forms: [$form]);

        return Flow::filled($site, $visit, $page, function (array $form) use ($visit): Response {
            $visit->auth->userChangepass(
                userId: $visit->session->userId,
                sessionToken: $visit->sessionToken,
                fullName: Visit::plain($visit->session->fullName ?? ''),
                email: $visit->session->email,
                currentPassword: $form['password'] ?? '',
                newPassword: $form['new_password'] ?? '',
            );

            return Response::to('/sessions?said=password');
        });
    }

    /** Has emails sent with which whoever is logged in changes their address. */
    public static function email(Site $site, Visit $visit): Response
    {
        $form = new Form(Texts::SEND, [Input::of('new_email')]);
        $page = new Page('email', Texts::CHANGE_EMAIL, forms: [$form], rows: [new Row($visit->session->email)]);

        return Flow::filled($site, $visit, $page, function (array $form) use ($site, $visit): Response {
            try {
                $answer = $visit->auth->emailChangeStart(
                    sessionToken: $visit->sessionToken,
                    email: $form['email'] ?? '',
                    link: $site->address('/new-address'),
                    undoLink: $site->address('/old-address'),
                    siteName: $site->name,
                    language: $visit->language,
                );
            } catch (Refused $refused) {
                if ($refused->reason !== 'the login is not fresh enough') {
                    throw $refused;
                }
                $links = ['/login?next=/email' => Texts::LOG_IN];
                $page = new Page('email', Texts::CHANGE_EMAIL, $refused->messages, links: $links, isError: true);

                return $site->show($visit, $page, 422);
            }
            $typed = new Form(Texts::CHANGE, [Flow::typedFor($visit), Input::of('typed_code')], '/new-address');

            return Flow::sent($site, $visit, $answer->next, $typed);
        });
    }

    /** Gives whoever is logged in the address that the code was emailed to. */
    public static function newAddress(Site $site, Visit $visit): Response
    {
        $page = new Page('new-address', Texts::CHANGE_EMAIL, forms: [Flow::codeForm($visit, Texts::CHANGE)]);

        return Flow::filled($site, $visit, $page, function () use ($visit): Response {
            $visit->auth->emailChangeFinish(...Flow::code($visit), sessionToken: $visit->sessionToken);

            return Response::to('/sessions?said=email');
        });
    }

    /** Gives an account its former address back. */
    public static function oldAddress(Site $site, Visit $visit): Response
    {
        $page = new Page('old-address', Texts::KEEP_EMAIL, forms: [Flow::codeForm($visit, Texts::UNDO)]);

        return Flow::filled($site, $visit, $page, function (array $form) use ($visit): Response {
            $visit->auth->emailChangeUndo(code: $form['code'] ?? '');

            return Response::to('/forgot?said=undone');
        });
    }

    /** Lists the sessions of whoever is logged in, and ends them. */
    public static function sessions(Site $site, Visit $visit): Response
    {
        $form = $visit->request->form;
        if ($visit->request->method === 'POST') {
            ($form['others'] ?? '') !== ''
                ? $visit->auth->sessionDeleteUserid($visit->sessionToken, $visit->session->userId, keepCurrentSession: true)
                : $visit->auth->sessionEnd($visit->sessionToken, sessionId: $form['session_id'] ?? '');

            return Response::to('/sessions?said=ended');
        }
        $rows = [];
        foreach ($visit->auth->sessionList($visit->sessionToken)->sessions as $one) {
            $here = $one->isCurrent ? " ({$visit->text(Texts::THIS_DEVICE)})" : '';
            $since = strtr($visit->text(Texts::SINCE), ['{time}' => $one->created->format('Y-m-d H:i')]);
            $end = new Form(Texts::END, [Input::hidden('session_id', $one->sessionId)]);
            $rows[] = new Row(Language::browserName($one->userAgent) . $here, [$one->ipAddress, $since], $end);
        }
        $others = count($rows) > 1 ? [new Form(Texts::END_OTHERS, [Input::hidden('others', '1')])] : [];
        $links = ['/password' => Texts::CHANGE_YOUR_PASSWORD, '/email' => Texts::CHANGE_EMAIL];
        $page = new Page('sessions', Texts::YOUR_SESSIONS, forms: $others, rows: $rows, links: $links);

        return $site->show($visit, $page);
    }

    /** Lists the API keys of whoever is logged in, makes new ones, and ends them. */
    public static function keys(Site $site, Visit $visit): Response
    {
        $form = $visit->request->form;
        $shown = [];
        if ($visit->request->method === 'POST' && ($form['key_id'] ?? '') !== '') {
            $visit->auth->apikeyEnd($visit->sessionToken, keyId: $form['key_id']);

            return Response::to('/keys?said=revoked');
        }
        if ($visit->request->method === 'POST') {
            $scopes = preg_split('/\s+/', $form['scopes'] ?? '', flags: PREG_SPLIT_NO_EMPTY);
            try {
                $name = $form['name'] ?? '';
                $made = $visit->auth->apikeyIssue($visit->sessionToken, name: $name, scopes: $scopes, expiresDays: 365);
                $shown = ['messages' => [Texts::ISSUED], 'secret' => $made->apikey];
            } catch (Refused $refused) {
                $shown = ['messages' => $refused->messages, 'isError' => true];
            }
        }
        $rows = [];
        foreach ($visit->auth->apikeyList($visit->sessionToken)->apikeys as $one) {
            $until = ['{date}' => $one->expires?->format('Y-m-d') ?? ''];
            $ends = $one->expires ? strtr($visit->text(Texts::EXPIRES), $until) : $visit->text(Texts::EXPIRES_NEVER);
            $end = new Form(Texts::REVOKE, [Input::hidden('key_id', $one->keyId)]);
            $rows[] = new Row($one->name ?: $one->keyId, [implode(' ', $one->scopes ?? []), $ends], $end);
        }
        $new = new Form(Texts::ISSUE, [Input::of('key_name'), Input::of('scopes', ['value' => $site->scopes])]);
        $page = new Page('keys', Texts::YOUR_KEYS, ...$shown, forms: [$new], rows: $rows);

        return $site->show($visit, $page, $page->isError ? 422 : 200);
    }
}
