<?php

declare(strict_types=1);

namespace Authnzerver;

/**
 * One key or, while it is being changed, several. Messages are sealed with the first.
 *
 * Sealed messages are Fernet tokens in base64. The age of a token does not matter, since each answer carries the random ID
 * of its request.
 */
final class KeyRing implements \Countable
{
    private const KEYS_MAX = 8;
    private const VERSION = "\x80";
    // Version, time and IV in front of what is encrypted, and the MAC behind it.
    private const HEAD_BYTES = 1 + 8 + 16;
    private const MAC_BYTES = 32;
    private const BLOCK_BYTES = 16;
    private const CIPHER = 'aes-128-cbc';

    /** @var list<string> */
    private readonly array $keys;

    /**
     * Reads keys as they stand in the server's key file: with commas or white space between them, and behind a `#` in a
     * line whatever an operator noted.
     */
    public function __construct(#[\SensitiveParameter] string $text)
    {
        $words = [];
        foreach (preg_split('/\r\n|\r|\n/', $text) as $line) {
            foreach (preg_split('/[,\s]+/', preg_replace('/(^|\s)#.*/', '', $line)) as $word) {
                $words[] = trim($word, '"\'');
            }
        }
        $words = array_values(array_filter($words, fn (string $word) => $word !== ''));
        if (count($words) < 1 || count($words) > self::KEYS_MAX) {
            throw new \InvalidArgumentException(
                sprintf('there are %d keys; it takes 1 to %d', count($words), self::KEYS_MAX),
            );
        }
        $this->keys = array_map(self::decoded(...), $words, array_keys($words));
    }

    /** Reads a key file. */
    public static function fromFile(string $path): self
    {
        $text = @file_get_contents($path);

        return $text === false ? throw new \InvalidArgumentException("$path cannot be read") : new self($text);
    }

    public function count(): int
    {
        return count($this->keys);
    }

    /** Seals with the key at this place. */
    public function seal(#[\SensitiveParameter] string $plain, int $place = 0): string
    {
        $key = $this->keys[$place];
        $iv = random_bytes(16);
        $encrypted = openssl_encrypt($plain, self::CIPHER, substr($key, 16), OPENSSL_RAW_DATA, $iv);
        if ($encrypted === false) {
            throw new \LogicException('openssl lacks AES-128-CBC');
        }
        $signed = self::VERSION . pack('J', time()) . $iv . $encrypted;

        return base64_encode(strtr(base64_encode($signed . self::mac($key, $signed)), '+/', '-_'));
    }

    /** Opens with whichever key fits, or not at all. */
    public function open(#[\SensitiveParameter] string $sealed): ?string
    {
        $inner = self::strictBase64($sealed);
        $token = $inner === null ? null : self::strictBase64(strtr($inner, '-_', '+/'));
        $shortest = self::HEAD_BYTES + self::BLOCK_BYTES + self::MAC_BYTES;
        if ($token === null || strlen($token) < $shortest || $token[0] !== self::VERSION) {
            return null;
        }
        $signed = substr($token, 0, -self::MAC_BYTES);
        foreach ($this->keys as $key) {
            if (hash_equals(self::mac($key, $signed), substr($token, -self::MAC_BYTES))) {
                return self::decrypted($key, $signed);
            }
        }

        return null;
    }

    /**
     * For each key, another one for a purpose of the site's own.
     *
     * @return list<string>
     */
    public function derived(string $purpose): array
    {
        return array_map(fn (string $key) => hash_hmac('sha256', "authnzerver site: $purpose", $key, true), $this->keys);
    }

    private static function mac(#[\SensitiveParameter] string $key, #[\SensitiveParameter] string $signed): string
    {
        return hash_hmac('sha256', $signed, substr($key, 0, 16), true);
    }

    private static function decrypted(#[\SensitiveParameter] string $key, #[\SensitiveParameter] string $signed): ?string
    {
        $iv = substr($signed, 9, 16);
        $encrypted = substr($signed, self::HEAD_BYTES);
        $plain = openssl_decrypt($encrypted, self::CIPHER, substr($key, 16), OPENSSL_RAW_DATA, $iv);

        // Who has the key may still have written what no block cipher writes.
        return $plain === false ? null : $plain;
    }

    /** PHP's own decoder skips white space. */
    private static function strictBase64(#[\SensitiveParameter] string $text): ?string
    {
        $letters = strspn($text, 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/');
        $padding = substr($text, $letters);
        if (strlen($text) % 4 !== 0 || !in_array($padding, ['', '=', '=='], true)) {
            return null;
        }
        $decoded = base64_decode($text, true);

        return $decoded === false ? null : $decoded;
    }

    private static function decoded(#[\SensitiveParameter] string $word, int $place): string
    {
        $place += 1;
        $letters = strtr(rtrim($word, '='), '-_', '+/');
        $raw = self::strictBase64($letters . str_repeat('=', (4 - strlen($letters) % 4) % 4));
        if ($raw === null) {
            throw new \InvalidArgumentException("key $place is not base64");
        }
        if (strlen($raw) !== 32) {
            throw new \InvalidArgumentException(
                sprintf('key %d has %d bytes instead of 32 (is it the name of a file?)', $place, strlen($raw)),
            );
        }

        return $raw;
    }

    /** @return array<string, mixed> */
    public function __debugInfo(): array
    {
        return ['keys' => count($this->keys)];
    }
}
