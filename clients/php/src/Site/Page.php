<?php

declare(strict_types=1);

namespace Authnzerver\Site;

/** What a page shows. */
final class Page
{
    /**
     * @param string $name Which page it is, for a site that draws it itself.
     * @param list<string> $messages
     * @param list<Form> $forms
     * @param list<array{string, Form}> $rows
     * @param array<string, string> $links What they say, by where they lead.
     */
    public function __construct(
        public readonly string $name,
        public readonly string $title,
        public readonly array $messages = [],
        public readonly array $forms = [],
        public readonly array $rows = [],
        public readonly array $links = [],
    ) {
    }

    /**
     * The same with other messages.
     *
     * @param list<string> $messages
     */
    public function saying(array $messages): self
    {
        return new self($this->name, $this->title, $messages, $this->forms, $this->rows, $this->links);
    }

    /** The page as plain, accessible HTML. Each of its forms has to send `$csrf` back, in a field `csrf`. */
    public function draw(string $csrf): string
    {
        $body = '';
        foreach ($this->messages as $message) {
            $body .= '<p role="status">' . self::escape($message) . '</p>';
        }
        $rows = '';
        foreach ($this->rows as [$text, $form]) {
            $rows .= '<li>' . self::escape($text) . self::drawForm($form, $csrf) . '</li>';
        }
        $body .= $rows === '' ? '' : "<ul>$rows</ul>";
        foreach ($this->forms as $form) {
            $body .= self::drawForm($form, $csrf);
        }
        $links = '';
        foreach ($this->links as $path => $text) {
            $links .= '<li><a href="' . self::escape($path) . '">' . self::escape($text) . '</a></li>';
        }
        $body .= $links === '' ? '' : "<nav><ul>$links</ul></nav>";
        $title = self::escape($this->title);

        return '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            . "<title>$title</title><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"></head>"
            . "<body><main><h1>$title</h1>$body</main></body></html>";
    }

    /** A text as it stands in HTML. */
    public static function escape(string $text): string
    {
        return htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE | ENT_HTML5, 'UTF-8');
    }

    private static function drawForm(Form $form, string $csrf): string
    {
        $inputs = '';
        foreach ([Input::hidden('csrf', $csrf), ...$form->inputs] as $input) {
            $inputs .= self::drawInput($input);
        }

        $action = $form->action === '' ? '' : ' action="' . self::escape($form->action) . '"';

        return "<form method=\"post\"$action>$inputs<p><button>" . self::escape($form->button) . '</button></p></form>';
    }

    private static function drawInput(Input $input): string
    {
        [$name, $value, $label] = array_map(self::escape(...), [$input->name, $input->value, $input->label]);
        $drawn = '<input type="' . self::escape($input->kind) . "\" name=\"$name\" value=\"$value\"";

        return match ($input->kind) {
            'hidden' => "$drawn>",
            'checkbox' => "<p><label>$drawn> $label</label></p>",
            default => "<p><label>$label $drawn autocomplete=\"" . self::escape($input->autocomplete) . '"></label></p>',
        };
    }
}
