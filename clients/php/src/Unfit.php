<?php

declare(strict_types=1);

namespace Authnzerver;

/**
 * A value is not what the API says it is.
 *
 * @internal
 */
final class Unfit extends \UnexpectedValueException
{
}
