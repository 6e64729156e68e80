<?php

declare(strict_types=1);

namespace Authnzerver;

/** What several calls came to. */
final class Batch
{
    /**
     * @param list<Call<Answer>> $asked
     * @internal
     */
    public function __construct(private readonly array $asked, private readonly Types\BatchAnswer $answer)
    {
        // The answers stand in the order of the calls.
        foreach ($answer->answers as $place => $part) {
            if ($part->request !== ($asked[$place]->request ?? null)) {
                throw new BadAnswer('these are the answers to other requests');
            }
        }
    }

    /**
     * The answer to a call; throws why there is none.
     *
     * @template T of Answer
     * @param Call<T> $call
     * @return T
     */
    public function get(Call $call): Answer
    {
        $place = array_search($call, $this->asked, true);
        if ($place === false) {
            throw new \OutOfBoundsException('this call is not part of the batch');
        }
        $part = $this->answer->answers[$place] ?? throw new Unavailable(
            'this was not asked, since one before it was not done',
            maybeDone: false,
        );
        if ($part->status !== 200) {
            throw Wire::ofStatus($call->request, $part->status, $part->retryAfter);
        }

        return Wire::read($call, [
            'success' => $part->success,
            'response' => $part->response,
            'messages' => $part->messages,
            'failure_reason' => $part->failureReason,
        ]);
    }

    /** @return array<string, mixed> */
    public function __debugInfo(): array
    {
        return ['requests' => array_map(fn (Call $call) => $call->request, $this->asked)];
    }
}
