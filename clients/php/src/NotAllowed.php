<?php

declare(strict_types=1);

namespace Authnzerver;

/** The key may not ask this request. */
final class NotAllowed extends Misconfigured
{
    public function __construct(string $request)
    {
        parent::__construct("the key may not ask $request: see `authnzerver secret list`");
    }
}
