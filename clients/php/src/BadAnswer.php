<?php

declare(strict_types=1);

namespace Authnzerver;

/** What came back is not the answer to this request, or was not made by who has the key. */
final class BadAnswer extends Unavailable
{
    public function __construct(string $why)
    {
        parent::__construct($why, maybeDone: true);
    }
}
