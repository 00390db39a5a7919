using FsCheck;
using FsCheck.Fluent;
using Microsoft.FSharp.Core;

namespace Campaigns.Tests.Support;

/// <summary>Property tests that try the same cases on every run.</summary>
internal static class Seeded
{
    /// <summary>Throws with the case for which the assertion throws.</summary>
    public static void ForAll<T>(Gen<T> cases, int count, Action<T> assertion) =>
        Check.One(
            Config
                .QuickThrowOnFailure.WithMaxTest(count)
                .WithReplay(FSharpOption<Replay>.Some(new Replay(new Rnd(20260214, 20260515), FSharpOption<int>.None))),
            Prop.ForAll(cases.ToArbitrary(), assertion)
        );
}
