<?php

declare(strict_types=1);

namespace Authnzerver;

/** There is no answer for now, which is never a verdict: let nobody in, and tell nobody that they may not. */
class Unavailable extends AuthError
{
    public function __construct(
        string $why,
        /** Whether the request may have been carried out all the same. */
        public readonly bool $maybeDone,
        public readonly ?float $retryAfter = null,
    ) {
        parent::__construct($why);
    }
}
