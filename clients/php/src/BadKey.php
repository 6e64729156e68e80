<?php

declare(strict_types=1);

namespace Authnzerver;

/** The server has none of our keys. */
final class BadKey extends Misconfigured
{
    public function __construct()
    {
        parent::__construct("the server has another key: compare this program's key with the server's");
    }
}
