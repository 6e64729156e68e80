<?php

declare(strict_types=1);

namespace Authnzerver\Site;

use Authnzerver\Refused;

/**
 * What the pages of accounts are made of: forms that are filled in, and the codes of emails.
 *
 * @internal
 */
final class Flow
{
    /**
     * Shows a page and, once its form is sent, does what it is for; shows why where that is refused.
     *
     * @param \Closure(array<string, string>): Response $then
     */
    public static function filled(Site $site, Visit $visit, Page $page, \Closure $then): Response
    {
        if ($visit->request->method !== 'POST') {
            return $site->show($visit, $page);
        }
        try {
            return $then($visit->request->form);
        } catch (Refused $refused) {
            $messages = $refused->messages;
            if ($refused->retryAfter) {
                $messages[] = strtr($visit->text(Texts::RETRY_AFTER), ['{seconds}' => (string) $refused->retryAfter]);
            }
            $forms = array_map(fn (Form $form) => self::kept($form, $visit->request->form), $page->forms);

            return $site->show($visit, $page->with(['messages' => $messages, 'forms' => $forms, 'isError' => true]), 422);
        }
    }

    /**
     * What was typed need not be typed again; but for passwords and codes.
     *
     * @param array<string, string> $sent
     */
    private static function kept(Form $form, array $sent): Form
    {
        $keep = function (Input $one) use ($sent): Input {
            $isKept = in_array($one->kind, ['text', 'email'], true) && $one->name !== 'code';

            return $isKept ? $one->with(['value' => $sent[$one->name] ?? $one->value]) : $one;
        };

        return new Form($form->button, array_map($keep, $form->inputs), $form->action);
    }

    /**
     * Says what to do with the email that is on its way: open its link or, if the server sends codes, type it.
     *
     * @param list<Form> $others
     */
    public static function sent(
        Site $site,
        Visit $visit,
        string $next,
        Form $typed,
        array $others = [],
        string $link = Texts::OPEN_LINK,
    ): Response {
        $isTyped = $next === 'code';
        $forms = $isTyped ? [$typed, ...$others] : $others;

        return $site->show($visit, new Page('sent', Texts::SENT, [$isTyped ? Texts::TYPE_CODE : $link], $forms));
    }

    /**
     * A button that sends the code of a link: fetching the page alone does nothing, for mail programs do. A code that was
     * typed is asked for again, where it was wrong.
     */
    public static function codeForm(Visit $visit, string $button, Input ...$more): Form
    {
        $form = $visit->request->form;
        $code = ($visit->request->query['code'] ?? '') ?: $form['code'] ?? '';
        $isTyped = ($form['email'] ?? '') !== '';

        return new Form($button, $isTyped ? [self::typedFor($visit), Input::of('typed_code'), ...$more] : [
            Input::hidden('code', $code),
            ...$more,
        ]);
    }

    /** @return array{code: string, email: ?string} */
    public static function code(Visit $visit): array
    {
        $form = $visit->request->form;

        return ['code' => $form['code'] ?? '', 'email' => ($form['email'] ?? '') ?: null];
    }

    /** The address that a typed code was sent to. */
    public static function typedFor(Visit $visit): Input
    {
        return Input::hidden('email', $visit->request->form['email'] ?? '');
    }
}
