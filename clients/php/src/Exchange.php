<?php

declare(strict_types=1);

namespace Authnzerver;

/**
 * One request on its way: sealed with the first key, and with the next where the server does not know that one.
 *
 * @internal
 */
final class Exchange
{
    private readonly string $reqid;
    private readonly string $plain;
    private int $place = 0;

    /**
     * @param Call<Answer> $call
     * @param array<string, string> $about
     */
    public function __construct(
        private readonly Call $call,
        private readonly KeyRing $keys,
        string $client,
        array $about,
        public readonly bool $onlyReads,
    ) {
        $this->reqid = strtr(base64_encode(random_bytes(15)), '+/', '-_');
        $message = [
            'request' => $call->request,
            'body' => $call->body($about),
            'reqid' => $this->reqid,
            'client_ipaddr' => $client,
        ];
        $this->plain = json_encode(
            $message,
            JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE | JSON_UNESCAPED_SLASHES | JSON_PRESERVE_ZERO_FRACTION,
        );
    }

    /** What to send. */
    public function sealed(): string
    {
        return $this->keys->seal($this->plain, $this->place);
    }

    /** Whether to send it once more, sealed with another key. A message that the server cannot open does nothing. */
    public function nextKey(Reply $reply): bool
    {
        if ($reply->status !== 401 || $this->place + 1 === count($this->keys)) {
            return false;
        }
        $this->place += 1;

        return true;
    }

    /**
     * The opened answer to this very request; throws what came instead.
     *
     * @return array<string, mixed>
     */
    public function answer(Reply $reply): array
    {
        if ($reply->status !== 200) {
            throw Wire::ofStatus($this->call->request, $reply->status, Wire::retryAfter($reply->retryAfter));
        }
        $plain = $this->keys->open($reply->body) ?? throw new BadAnswer('the answer is not sealed with our key');
        try {
            $answer = json_decode($plain, true, flags: JSON_THROW_ON_ERROR);
        } catch (\JsonException) {
            throw new BadAnswer('the answer is not JSON');
        }
        if (!is_array($answer) || ($answer['reqid'] ?? null) !== $this->reqid) {
            throw new BadAnswer('this is the answer to another request');
        }

        return $answer;
    }

    /** @return array<string, mixed> */
    public function __debugInfo(): array
    {
        return ['request' => $this->call->request];
    }
}
