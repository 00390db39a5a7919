namespace Campaigns.Dispatch;

/// <summary>Bounds the lanes of each gateway on this node: one that is slow, or does not answer, must leave threads of the job
/// engine to the others and to planning. Who finds no room comes in the order of asking.</summary>
internal sealed class GatewayLanes(DispatchOptions options, TimeProvider time)
{
    /// <summary>Changing lanes sooner would cost more than it gives.</summary>
    private static readonly TimeSpan Turn = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan AskAgainAtMost = TimeSpan.FromSeconds(5);

    /// <summary>Who has not asked for so long has found room on another node, or nothing to do.</summary>
    private static readonly TimeSpan Forgotten = TimeSpan.FromSeconds(15);

    private readonly Dictionary<string, Room> _rooms = [];

    /// <summary>Null where there is no room.</summary>
    /// <param name="lane">Its run, wave and number, by whatever name it was woken.</param>
    /// <param name="wait">When to ask again; zero where there is room.</param>
    internal Lane? Enter(string gateway, string lane, out TimeSpan wait)
    {
        lock (_rooms)
        {
            var room = RoomOf(gateway);
            var place = room.Waiting.FindIndex(one => one.Lane == lane);
            var before = place < 0 ? room.Waiting.Count : place;
            if (room.Inside + before < options.LanesPerGateway)
            {
                room.Waiting.RemoveAll(one => one.Lane == lane);
                room.Inside++;
                wait = TimeSpan.Zero;
                return new Lane(this, gateway, time.GetTimestamp());
            }

            var asking = (lane, time.GetTimestamp());
            if (place < 0)
            {
                room.Waiting.Add(asking);
            }
            else
            {
                room.Waiting[place] = asking;
            }

            var rounds = 1 + before / options.LanesPerGateway;
            wait = rounds * AskAgain < AskAgainAtMost ? rounds * AskAgain : AskAgainAtMost;
            return null;
        }
    }

    private bool MayStay(string gateway, long since)
    {
        lock (_rooms)
        {
            var room = RoomOf(gateway);
            return room.Waiting.Count <= options.LanesPerGateway - room.Inside || time.GetElapsedTime(since) < Turn;
        }
    }

    private void Leave(string gateway)
    {
        lock (_rooms)
        {
            RoomOf(gateway).Inside--;
        }
    }

    private Room RoomOf(string gateway)
    {
        if (!_rooms.TryGetValue(gateway, out var room))
        {
            _rooms[gateway] = room = new Room();
        }

        room.Waiting.RemoveAll(one => time.GetElapsedTime(one.AskedAt) > Forgotten);
        return room;
    }

    /// <summary>A place inside, until it is disposed; to be disposed once.</summary>
    internal sealed class Lane(GatewayLanes lanes, string gateway, long since) : IDisposable
    {
        /// <summary>Whether it may go on by the gateway: nobody waits for its place, or its turn is not over.</summary>
        internal bool MayGoOn(string by) => by == gateway && lanes.MayStay(gateway, since);

        public void Dispose() => lanes.Leave(gateway);
    }

    private sealed class Room
    {
        internal int Inside { get; set; }
        internal List<(string Lane, long AskedAt)> Waiting { get; } = [];
    }
}
