using Campaigns.Api.Hosting;

var builder = WebApplication.CreateBuilder(args);
builder.AddCampaigns();

var app = builder.Build();
app.MapCampaigns();
await app.RunAsync();
