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
    ) {
    }

    public static function hidden(string $name, string $value): self
    {
        return new self($name, kind: 'hidden', value: $value);
    }
}
