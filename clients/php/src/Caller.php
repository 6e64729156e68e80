<?php

declare(strict_types=1);

namespace Authnzerver;

/** Asks on behalf of one end user. Cheap to make: one for each request that the site gets. */
final class Caller extends Requests
{
    /** @var array<string, string> */
    private readonly array $about;

    public function __construct(
        public readonly Client $client,
        public readonly string $address,
        string $userAgent,
    ) {
        $this->about = ['ip_address' => $address, 'user_agent' => $userAgent];
    }

    public function ask(Call $call): Answer
    {
        return Wire::read($call, $this->client->exchange($this->exchangeOf($call, $call->onlyReads)));
    }

    /**
     * Asks up to 16 calls in one message, each as if it had come alone.
     *
     * @param list<Call<Answer>> $asked
     */
    public function together(array $asked, bool $stopOnFailure = false): Batch
    {
        $requests = [];
        $onlyReads = true;
        foreach ($asked as $call) {
            $requests[] = ['request' => $call->request, 'body' => $call->body($this->about)];
            $onlyReads = $onlyReads && $call->onlyReads;
        }
        $batch = Calls::batch(requests: $requests, stopOnFailure: $stopOnFailure ?: null);

        return new Batch($asked, Wire::read($batch, $this->client->exchange($this->exchangeOf($batch, $onlyReads))));
    }

    /** @param Call<Answer> $call */
    private function exchangeOf(Call $call, bool $onlyReads): Exchange
    {
        return new Exchange($call, $this->client->keys, $this->address, $this->about, $onlyReads);
    }
}
