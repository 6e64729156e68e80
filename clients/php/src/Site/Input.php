<?php

declare(strict_types=1);

namespace Authnzerver\Site;

/** A field of a form. */
final class Input
{
    public function __construct(
        public readonly string $name,
        public readonly string $label = '',
        /** The `type` of HTML. */
        public readonly string $kind = 'text',
        public readonly string $value = '',
        public readonly string $autocomplete = 'off',
        public readonly string $hint = '',
        public readonly bool $required = false,
    ) {
    }

    public static function hidden(string $name, string $value): self
    {
        return new self($name, kind: 'hidden', value: $value);
    }

    /**
     * One of those that the pages of accounts have, by its name in Texts::INPUTS.
     *
     * @param array<string, string> $changed
     * @internal
     */
    public static function of(string $which, array $changed = []): self
    {
        return new self(...$changed + Texts::INPUTS[$which]);
    }

    /**
     * The same with something else of it.
     *
     * @param array<string, string> $changed
     */
    public function with(array $changed): self
    {
        return new self(...$changed + get_object_vars($this));
    }
}
