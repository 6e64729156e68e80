<?php

declare(strict_types=1);

namespace Authnzerver;

/**
 * The request has no answer that can be used.
 *
 * No error shows a parameter, a key or an answer: they may hold passwords and tokens.
 */
class AuthError extends \RuntimeException
{
}
