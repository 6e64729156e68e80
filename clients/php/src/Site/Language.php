<?php

declare(strict_types=1);

namespace Authnzerver\Site;

/**
 * Which language a visitor reads, and what people call their browser.
 *
 * @internal
 */
final class Language
{
    private const WANTED_MAX = 32;

    /**
     * The best of these languages by `Accept-Language`; the first where none of them is asked for.
     *
     * @param non-empty-list<string> $languages
     */
    public static function preferred(string $header, array $languages): string
    {
        $known = [];
        foreach ($languages as $language) {
            $known[strtolower($language)] ??= $language;
        }
        $wanted = [];
        foreach (array_slice(explode(',', strtolower($header)), 0, self::WANTED_MAX) as $part) {
            [$tag, $weight] = array_map('trim', explode(';', $part)) + [1 => ''];
            $quality = $weight === '' ? '1' : preg_replace('/\Aq=/', '', $weight);
            if (is_numeric($quality) && $quality > 0) {
                $wanted[] = [(float) $quality, $tag];
            }
        }
        usort($wanted, fn (array $one, array $other) => $other[0] <=> $one[0]);
        foreach ($wanted as [, $tag]) {
            // For `de-CH` without texts of its own, those of `de`.
            $found = $known[$tag] ?? $known[explode('-', $tag)[0]] ?? null;
            if ($found !== null) {
                return $found;
            }
        }

        return $languages[0];
    }

    /** What a person would call the browser that sends this; what it sends, where nobody knows. */
    public static function browserName(string $userAgent): string
    {
        $of = function (array $names) use ($userAgent): string {
            foreach ($names as $mark => $name) {
                if (str_contains($userAgent, $mark)) {
                    return $name;
                }
            }

            return '';
        };
        $browser = $of(Texts::BROWSERS);
        if ($browser === '') {
            return substr($userAgent, 0, 60) ?: '?';
        }

        return implode(', ', array_filter([$browser, $of(Texts::SYSTEMS)]));
    }
}
