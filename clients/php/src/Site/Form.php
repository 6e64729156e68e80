<?php

declare(strict_types=1);

namespace Authnzerver\Site;

/** Inputs and a button, sent to the page that it stands on unless `$action` says where. */
final class Form
{
    /** @param list<Input> $inputs */
    public function __construct(
        public readonly string $button,
        public readonly array $inputs = [],
        public readonly string $action = '',
    ) {
    }
}
