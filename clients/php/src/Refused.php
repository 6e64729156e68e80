<?php

declare(strict_types=1);

namespace Authnzerver;

/** The server says no. */
final class Refused extends AuthError
{
    /** Seconds until the next attempt at this password or code is looked at, where there were failed ones. */
    public readonly ?int $retryAfter;

    /**
     * @param array<string, mixed> $response
     * @param list<string> $messages
     */
    public function __construct(
        public readonly string $request,
        #[\SensitiveParameter] private readonly array $response,
        /** Why, for this program and not for the end user; null where there is nothing to tell. */
        public readonly ?string $reason,
        /** What may be shown to the end user. */
        public readonly array $messages,
    ) {
        parent::__construct("$request was refused: " . ($reason ?? 'no reason given'));
        $this->retryAfter = is_int($response['retry_after'] ?? null) ? $response['retry_after'] : null;
    }

    /**
     * The answer's own keys.
     *
     * @return array<string, mixed>
     */
    public function response(): array
    {
        return $this->response;
    }

    /** Whether parameters are missing or of a wrong type: a mistake of this program. */
    public function isInvalid(): bool
    {
        return $this->reason === 'invalid request parameters';
    }

    /** @return array<string, mixed> */
    public function __debugInfo(): array
    {
        return ['request' => $this->request, 'reason' => $this->reason, 'messages' => $this->messages];
    }
}
