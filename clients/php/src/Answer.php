<?php

declare(strict_types=1);

namespace Authnzerver;

/** What a request that was carried out came to. */
abstract class Answer
{
    /** @param list<string> $messages */
    public function __construct(
        /** What may be shown to the end user. */
        public readonly array $messages,
    ) {
    }
}
