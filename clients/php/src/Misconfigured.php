<?php

declare(strict_types=1);

namespace Authnzerver;

/** This program and the server do not fit together; nothing was done. A person has to look at it. */
class Misconfigured extends AuthError
{
}
