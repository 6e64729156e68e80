<?php

declare(strict_types=1);

namespace Authnzerver\Site;

/**
 * Who may see what lies below a path.
 *
 * @internal
 */
final class Guard
{
    /**
     * @param list<string> $roles
     * @param array{string, string}|null $may
     * @param array{string, string}|null $key
     */
    public function __construct(
        private readonly string $path,
        public readonly array $roles = [],
        public readonly ?array $may = null,
        public readonly ?array $key = null,
    ) {
    }

    /**
     * Whether it holds for a path, which may be read in these ways.
     *
     * @param list<string> $readings
     */
    public function covers(array $readings): bool
    {
        $own = rtrim(strtolower($this->path), '/');
        foreach ($readings as $reading) {
            if ($reading === $own || str_starts_with($reading, "$own/")) {
                return true;
            }
        }

        return false;
    }
}
