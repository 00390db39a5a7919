Console.WriteLine("Campaigns");
