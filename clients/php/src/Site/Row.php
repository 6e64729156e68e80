<?php

declare(strict_types=1);

namespace Authnzerver\Site;

/** A line of a list, and what can be done with it. */
final class Row
{
    /** @param list<string> $details */
    public function __construct(
        public readonly string $title,
        public readonly array $details = [],
        public readonly ?Form $form = null,
    ) {
    }
}
