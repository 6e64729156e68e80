<?php

declare(strict_types=1);

namespace Authnzerver;

/** What came over HTTP. */
final class Reply
{
    public function __construct(
        public readonly int $status,
        public readonly string $retryAfter,
        #[\SensitiveParameter] public readonly string $body,
    ) {
    }
}
