<?php

declare(strict_types=1);

namespace Authnzerver;

/** The end user asks too often. Nothing was done. */
final class OverLimit extends AuthError
{
    public function __construct(public readonly float $retryAfter)
    {
        parent::__construct("over a rate limit for $retryAfter seconds");
    }
}
