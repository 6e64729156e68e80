<?php

declare(strict_types=1);

namespace Authnzerver;

/**
 * Reads values from JSON, or throws Unfit.
 *
 * @internal
 */
final class Read
{
    /** @return array<string, mixed> */
    public static function object(#[\SensitiveParameter] mixed $value, string $name): array
    {
        // An empty object and an empty list are the same to PHP.
        if (!is_array($value) || ($value !== [] && array_is_list($value))) {
            throw new Unfit("$name is no object");
        }

        return $value;
    }

    /** Reads what stands there under a name. */
    public static function field(#[\SensitiveParameter] array $object, string $name, callable $read): mixed
    {
        if (!array_key_exists($name, $object)) {
            throw new Unfit("$name is missing");
        }
        try {
            return $read($object[$name]);
        } catch (Unfit $unfit) {
            throw new Unfit("$name: {$unfit->getMessage()}");
        }
    }

    public static function any(#[\SensitiveParameter] mixed $value): mixed
    {
        return $value;
    }

    public static function str(#[\SensitiveParameter] mixed $value): string
    {
        return is_string($value) ? $value : throw new Unfit('no text');
    }

    public static function bool(#[\SensitiveParameter] mixed $value): bool
    {
        return is_bool($value) ? $value : throw new Unfit('neither true nor false');
    }

    public static function int(#[\SensitiveParameter] mixed $value): int
    {
        return is_int($value) ? $value : throw new Unfit('no whole number');
    }

    public static function float(#[\SensitiveParameter] mixed $value): float
    {
        return is_int($value) || is_float($value) ? (float) $value : throw new Unfit('no number');
    }

    /** @return array<string, mixed> */
    public static function dict(#[\SensitiveParameter] mixed $value): array
    {
        return self::object($value, 'this');
    }

    /** A time, which the server writes in UTC. */
    public static function time(#[\SensitiveParameter] mixed $value): \DateTimeImmutable
    {
        $written = '/\A(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,6})?\d*(?:Z|\+00:00)?\z/';
        if (!preg_match($written, self::str($value), $parts)) {
            throw new Unfit('no time');
        }
        $utc = new \DateTimeZone('UTC');
        $text = $parts[1] . str_pad($parts[2] ?? '.', 7, '0');
        $time = \DateTimeImmutable::createFromFormat('!Y-m-d\TH:i:s.u', $text, $utc);
        // What there is none of, such as a 13th month, is counted on by PHP.
        if ($time === false || $time->format('Y-m-d\TH:i:s') !== $parts[1]) {
            throw new Unfit('no time');
        }

        return $time;
    }

    public static function list(callable $read): \Closure
    {
        return function (#[\SensitiveParameter] mixed $value) use ($read): array {
            return is_array($value) && array_is_list($value) ? array_map($read, $value) : throw new Unfit('no list');
        };
    }

    public static function orNull(callable $read): \Closure
    {
        return fn (#[\SensitiveParameter] mixed $value): mixed => $value === null ? null : $read($value);
    }
}
