<?php

declare(strict_types=1);

namespace Authnzerver\Site;

/** A page as somebody sees it, in their language. */
final class ShownPage extends Page
{
    private ?string $token = null;

    /** @param Visit $visit Who sees it, for a layout that tells. */
    public function __construct(Page $page, public readonly Visit $visit)
    {
        $text = $visit->text(...);
        $form = fn (Form $form) => new Form($text($form->button), array_map(
            fn (Input $one) => $one->with(['label' => $text($one->label), 'hint' => $text($one->hint)]),
            $form->inputs,
        ), $form->action);
        parent::__construct(
            $page->name,
            $text($page->title),
            array_map($text, $page->messages),
            array_map($form, $page->forms),
            // What stands in them most likely is not a text of ours but what users chose.
            array_map(fn (Row $row) => new Row($row->title, $row->details, $row->form ? $form($row->form) : null), $page->rows),
            array_map($text, $page->links),
            $page->isError,
            $page->secret,
        );
    }

    /** What each form has to send back, in a field of that name. It may set a cookie, so before anything is put out. */
    public function csrf(): string
    {
        return $this->token ??= $this->visit->csrfToken();
    }

    /** A whole HTML page, without a look. */
    public function draw(): string
    {
        [$language, $title] = [self::escape($this->visit->language), self::escape($this->title)];

        return "<!doctype html><html lang=\"$language\"><head><meta charset=\"utf-8\">"
            . "<title>$title</title><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"></head>"
            . "<body><main>{$this->content()}</main></body></html>";
    }

    /**
     * The page without what is around it, as HTML: for a layout of the site's own. Its classes are `message`, `error`,
     * `secret`, `rows`, `detail`, `field`, `check` and `links`.
     */
    public function content(): string
    {
        $about = $this->isError ? 'class="error" role="alert"' : 'class="message" role="status"';
        $content = '<h1>' . self::escape($this->title) . '</h1>';
        foreach ($this->messages as $message) {
            $content .= "<p $about>" . self::escape($message) . '</p>';
        }
        if ($this->secret !== '') {
            $content .= '<p class="secret"><code>' . self::escape($this->secret) . '</code></p>';
        }
        $rows = implode('', array_map($this->row(...), $this->rows));
        $content .= $rows === '' ? '' : "<ul class=\"rows\">$rows</ul>";
        foreach ($this->forms as $number => $form) {
            $content .= $this->form($form, "$number-");
        }
        $links = '';
        foreach ($this->links as $path => $text) {
            $links .= '<li><a href="' . self::escape($path) . '">' . self::escape($text) . '</a></li>';
        }

        return $content . ($links === '' ? '' : "<ul class=\"links\">$links</ul>");
    }

    private function row(Row $row): string
    {
        $title = self::escape($row->title);
        $details = '';
        foreach ($row->details as $detail) {
            $details .= ' <span class="detail">' . self::escape($detail) . '</span>';
        }
        // Several buttons with the same word: whoever hears them has to know which is which.
        $form = $row->form ? $this->form($row->form, '', "{$row->form->button}: $row->title") : '';

        return "<li><div><strong>$title</strong>$details</div>$form</li>";
    }

    private function form(Form $form, string $prefix, string $label = ''): string
    {
        $inputs = '';
        foreach ([Input::hidden('csrf', $this->csrf()), ...$form->inputs] as $input) {
            $inputs .= self::input($input, $prefix . $input->name);
        }
        $action = $form->action === '' ? '' : ' action="' . self::escape($form->action) . '"';
        $named = $label === '' ? '' : ' aria-label="' . self::escape($label) . '"';

        return "<form method=\"post\"$action>$inputs<button$named>" . self::escape($form->button) . '</button></form>';
    }

    private static function input(Input $input, string $id): string
    {
        $texts = [$input->kind, $input->name, $input->value, $input->label, $input->hint, $input->autocomplete, $id];
        [$kind, $name, $value, $label, $hint, $autocomplete, $id] = array_map(self::escape(...), $texts);
        $drawn = "<input type=\"$kind\" name=\"$name\" value=\"$value\"";
        if ($input->kind === 'hidden') {
            return "$drawn>";
        }
        $label = "<label for=\"$id\">$label</label>";
        if ($input->kind === 'checkbox') {
            return "<p class=\"check\">$drawn id=\"$id\"> $label</p>";
        }
        $drawn .= " id=\"$id\" autocomplete=\"$autocomplete\"" . ($hint === '' ? '' : " aria-describedby=\"$id-hint\"");
        $drawn .= $input->required ? ' required>' : '>';
        $hint = $hint === '' ? '' : "<small id=\"$id-hint\">$hint</small>";

        return "<p class=\"field\">$label$hint$drawn</p>";
    }
}
