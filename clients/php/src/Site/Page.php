<?php

declare(strict_types=1);

namespace Authnzerver\Site;

/** What a page has to show. */
class Page
{
    /**
     * @param string $name Which page it is, for a site that draws it itself.
     * @param list<string> $messages
     * @param list<Form> $forms
     * @param list<Row> $rows
     * @param array<string, string> $links What they say, by where they lead.
     * @param bool $isError Whether the messages say what went wrong.
     * @param string $secret What is shown this once.
     */
    public function __construct(
        public readonly string $name,
        public readonly string $title,
        public readonly array $messages = [],
        public readonly array $forms = [],
        public readonly array $rows = [],
        public readonly array $links = [],
        public readonly bool $isError = false,
        public readonly string $secret = '',
    ) {
    }

    /**
     * The same with something else of it.
     *
     * @param array<string, mixed> $changed
     */
    public function with(array $changed): self
    {
        // Not who sees it.
        return new self(...$changed + array_diff_key(get_object_vars($this), ['visit' => null]));
    }

    /** A text as it stands in HTML. */
    public static function escape(string $text): string
    {
        return htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE | ENT_HTML5, 'UTF-8');
    }
}
