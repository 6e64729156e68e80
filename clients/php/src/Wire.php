<?php

declare(strict_types=1);

namespace Authnzerver;

/**
 * What answers mean.
 *
 * @internal
 */
final class Wire
{
    // What a server says at most about when to try again.
    private const RETRY_AFTER_MAX = 3600.0;

    /**
     * What a request came to; throws why it was not done.
     *
     * @template T of Answer
     * @param Call<T> $call
     * @param array<string, mixed> $answer
     * @return T
     */
    public static function read(Call $call, #[\SensitiveParameter] array $answer): Answer
    {
        $messages = $answer['messages'] ?? null;
        if (!is_array($messages) || !array_is_list($messages) || $messages !== array_filter($messages, 'is_string')) {
            throw new BadAnswer("the answer's messages are not texts");
        }
        $success = $answer['success'] ?? null;
        $response = $answer['response'] ?? null;
        if ($success === true) {
            try {
                return $call->read($response, $messages);
            } catch (Unfit $unfit) {
                throw new BadAnswer($unfit->getMessage());
            }
        }
        if ($success !== false) {
            throw new BadAnswer('the answer does not say whether it was done');
        }
        $reason = $answer['failure_reason'] ?? null;
        $reason = is_string($reason) ? $reason : null;
        throw new Refused($call->request, is_array($response) ? $response : [], $reason, $messages);
    }

    /** What a status other than 200 means. */
    public static function ofStatus(string $request, int $status, ?float $wait): AuthError
    {
        return match ($status) {
            401 => new BadKey(),
            403 => new NotAllowed($request),
            429 => new OverLimit($wait ?? 1.0),
            404, 405 => new Misconfigured('no authnzerver is at this address, or it does not allow this host name'),
            400, 411, 413 => new Misconfigured("the server does not take $request as it was sent (HTTP $status)"),
            default => new Unavailable("the server answers HTTP $status", maybeDone: true, retryAfter: $wait),
        };
    }

    /** The seconds that `Retry-After` names. */
    public static function retryAfter(string $text): ?float
    {
        $text = trim($text);

        return preg_match('/\A\d+\z/', $text) ? min((float) substr($text, 0, 9), self::RETRY_AFTER_MAX) : null;
    }
}
